/*
 * users.sessions, users.remove_session. A stored log-in is known to clients by an id of its own: the one it
 * is stored under is the hash of its token, which never leaves the server.
 */

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/container_of.h"
#include "shared/base/memory.h"
#include "worker/authority/lookup.h"
#include "worker/authority/token.h"
#include "worker/authority/user_sets.h"
#include "worker/base/snapshot.h"
#include "worker/methods/attempt.h"
#include "worker/methods/user_answers.h"
#include "worker/rpc/error_texts.h"
#include "worker/rpc/method.h"
#include "worker/rpc/params.h"
#include "worker/session/session.h"
#include "worker/session/token_use.h"

/* ---- sessions ---- */

struct listed {
    struct token_use use;
    size_t start, length; /* in ->text */
};

struct listing {
    const struct session *session; /* the caller's */
    uint64_t now_ms;               /* wall clock: the same for all that are connected */
    struct buffer text;
    struct listed *listed;
    size_t count;
};

static bool is_own_login(const struct session *session, struct slice id)
{
    char own[TOKEN_ID + 1];
    if (!session->login.has_token)
        return false;
    token_id(session->login.token_hash, own);
    return slice_equal(id, slice_text(own));
}

static void append_member(struct buffer *out, struct json_value document, const char *key)
{
    struct json_value value = json_member(document, slice_text(key));
    buffer_append_format(out, "\"%s\":", key);
    if (json_type(value) == JSON_NONE)
        buffer_append_text(out, "null");
    else
        json_append_compact(out, value);
    buffer_append_byte(out, ',');
}

static void append_login(struct buffer *out, struct json_value document, uint64_t used_ms, bool current)
{
    buffer_append_byte(out, '{');
    append_member(out, document, "id");
    append_member(out, document, "user");
    append_member(out, document, "created");
    buffer_append_format(out, "\"used\":%llu,", (unsigned long long)used_ms);
    append_member(out, document, "address");
    append_member(out, document, "browser");
    buffer_append_format(out, "\"current\":%s}", current ? "true" : "false");
}

static bool list_one(void *argument, struct slice id, struct json_value document, uint64_t version)
{
    struct listing *listing = argument;
    struct listed listed = {.start = listing->text.length};
    (void)version;
    listed.use = token_use_read(listing->session->worker, id, document, listing->now_ms);
    if (listed.use.over)
        return true;
    append_login(&listing->text, document, listed.use.used_ms, is_own_login(listing->session, id));
    listed.length = listing->text.length - listed.start;
    listing->listed = memory_resize(listing->listed, listing->count + 1, sizeof *listing->listed);
    listing->listed[listing->count++] = listed;
    return true;
}

static int last_used_first(const void *a, const void *b)
{
    const struct listed *left = a, *right = b;
    if (left->use.used_ms != right->use.used_ms)
        return left->use.used_ms < right->use.used_ms ? 1 : -1;
    if (left->use.noted_ms != right->use.noted_ms) /* of those that are connected the newest */
        return left->use.noted_ms < right->use.noted_ms ? 1 : -1;
    return left->start < right->start ? -1 : 1;
}

static void answer_list(struct transaction *transaction, struct slice user)
{
    struct listing listing = {.session = transaction->session, .now_ms = clock_wall_ms()};
    struct buffer answer = {0};
    bool known = lookup(transaction->worker, COLLECTION_SESSIONS, "user", user, list_one, &listing);
    if (listing.count)
        qsort(listing.listed, listing.count, sizeof *listing.listed, last_used_first);
    buffer_append_byte(&answer, '[');
    for (size_t i = 0; i < listing.count; i++) {
        if (i)
            buffer_append_byte(&answer, ',');
        buffer_append(&answer, listing.text.data + listing.listed[i].start, listing.listed[i].length);
    }
    buffer_append_byte(&answer, ']');
    if (known)
        transaction_fulfill(transaction, buffer_slice(&answer), 0);
    else
        transaction_fail_unreadable(transaction, NULL);
    buffer_free(&answer);
    buffer_free(&listing.text);
    free(listing.listed);
}

static bool may_list(struct transaction *transaction, struct slice user)
{
    struct store_record record;
    if (slice_equal(user, session_user(transaction->session)))
        return true;
    if (!session_may(transaction->session, PERMISSION_MODIFY_OPTIONS)) {
        transaction_fail(transaction, ERROR_FORBIDDEN, "You need the permission %s",
                         transaction->worker->config->permissions[PERMISSION_MODIFY_OPTIONS]);
        return false;
    }
    enum error_code code = store_get(transaction->worker->store, COLLECTION_USERS, user, &record);
    if (code != ERROR_NONE)
        user_fail(transaction, code, text_user_missing);
    return code == ERROR_NONE;
}

static void list_logins(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"user_id"};
    struct worker *worker = transaction->worker;
    struct slice user = session_user(transaction->session);
    struct json_value value = json_member(data, SLICE("user_id"));
    if ((json_type(data) > JSON_NULL && !params_object(transaction, data, keys)) ||
        (json_type(value) != JSON_NONE && !params_id(transaction, value, "user_id", &worker->scratch, &user)))
        return;
    if (!snapshot_take(worker))
        transaction_fail(transaction, ERROR_INTERNAL, "%s", text_store_unreadable);
    else if (may_list(transaction, user))
        answer_list(transaction, user);
}

/* ---- remove_login ---- */

struct login_removal {
    struct attempt attempt;
    char *id;
    bool any; /* it may be another user's */
};

static void login_removal_release(struct attempt *attempt)
{
    struct login_removal *removal = CONTAINER_OF(attempt, struct login_removal, attempt);
    memory_release_text(removal->id);
    free(removal);
}

struct ending {
    struct login_removal *removal;
    struct buffer *set;
    bool found;
};

/* The stored log-in is marked as by `logout`; its end reaches all its connections through the ring. */
static bool end_login(void *argument, struct slice id, struct json_value document, uint64_t version)
{
    struct ending *ending = argument;
    const struct login_removal *removal = ending->removal;
    const struct attempt *attempt = &removal->attempt;
    uint64_t now_ms = clock_wall_ms();
    bool own = json_string_is(json_member(document, SLICE("user")), slice_text(attempt->caller));
    (void)version;
    if (token_use_read(attempt->transaction->worker, id, document, now_ms).over || (!removal->any && !own))
        return true;
    if (!own)
        transaction_need_permission(attempt->transaction, ending->set, PERMISSION_MODIFY_OPTIONS);
    struct buffer body = {0};
    buffer_append_format(&body, "{\"ended\":%llu}", (unsigned long long)now_ms);
    user_set_change(ending->set, CHANGE_MERGE, CHANGE_SKIP_MISSING, COLLECTION_SESSIONS, id,
                    CHANGE_ANY_VERSION, buffer_slice(&body));
    buffer_free(&body);
    ending->found = true;
    return false;
}

static bool evaluate_ending(struct attempt *attempt, struct buffer *set)
{
    struct login_removal *removal = CONTAINER_OF(attempt, struct login_removal, attempt);
    struct ending ending = {removal, set, false};
    attempt_begin(attempt, set, SLICE("null"));
    bool known = lookup(attempt->transaction->worker, COLLECTION_SESSIONS, "id", slice_text(removal->id),
                        end_login, &ending);
    if (!ending.found)
        user_fail(attempt->transaction, known ? ERROR_NOT_FOUND : ERROR_INTERNAL, "Session does not exist");
    return ending.found;
}

static void remove_login(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"id"};
    struct slice id;
    if (!params_object(transaction, data, keys) ||
        !params_id(transaction, json_member(data, SLICE("id")), "id", &transaction->worker->scratch, &id))
        return;
    struct attempt *attempt = attempt_create(transaction, sizeof(struct login_removal), evaluate_ending);
    struct login_removal *removal = CONTAINER_OF(attempt, struct login_removal, attempt);
    attempt->release = login_removal_release;
    removal->id = memory_copy(id.data, id.length);
    removal->any = session_may(transaction->session, PERMISSION_MODIFY_OPTIONS);
    attempt_run(attempt);
}

static const struct method methods[] = {
    {"sessions", ACCESS_AUTHORIZED, list_logins, UNDECLARED},
    {"remove_session", ACCESS_AUTHORIZED, remove_login, UNDECLARED},
};

const struct method_table stored_login_methods = {methods, sizeof methods / sizeof *methods};
