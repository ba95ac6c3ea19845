#include "worker/methods/tokens.h"

#include <stdlib.h>

#include "shared/clock.h"
#include "shared/memory.h"
#include "shared/random.h"
#include "worker/authority/token.h"
#include "worker/authority/user_document.h"
#include "worker/committer_link.h"
#include "worker/methods/lookup.h"
#include "worker/methods/user_sets.h"

/* How often the time of last use is written: often enough for an expiry counted in days. */
enum { USED_EVERY_MS = 3600000 };

/* How many stored sessions one log-in removes, and at how many of the connected ones each second looks. */
enum { PRUNED_AT_ONCE = 1024, REFRESHED_AT_ONCE = 64 };

static uint64_t session_most_ms(const struct worker *worker)
{
    return worker->config->session_days * 86400000;
}

bool token_is_over(const struct worker *worker, struct json_value document, uint64_t now_ms)
{
    int64_t used;
    return json_type(json_member(document, SLICE("ended"))) != JSON_NONE ||
           !json_integer(json_member(document, SLICE("used")), &used) ||
           (now_ms > (uint64_t)used && now_ms - (uint64_t)used > session_most_ms(worker));
}

static void nothing(void *argument, const struct committer_result *result)
{
    (void)argument, (void)result;
}

/* Not waited for: when it fails, the next use writes it. */
static void write_used(struct worker *worker, struct slice id, uint64_t now_ms)
{
    struct buffer set = {0}, body = {0};
    enum error_code code;
    buffer_append_format(&body, "{\"used\":%llu}", (unsigned long long)now_ms);
    change_set_begin(&set, change_bounds_of(&worker->config->limits), ANSWER_LITERAL, SLICE("null"));
    struct change change = {
        .operation = CHANGE_MERGE,
        .flags = CHANGE_SKIP_MISSING,
        .version = CHANGE_ANY_VERSION,
        .collection = SLICE("sessions"),
        .id = id,
        .body = buffer_slice(&body),
    };
    change_set_add(&set, &change);
    if (!committer_link_submit(worker->link, buffer_slice(&set), nothing, NULL, &code))
        log_debug("the last use of a session was not stored: %s", error_code_name(code));
    buffer_free(&set);
    buffer_free(&body);
}

/* Writes the time of last use when the stored one is old. */
static void refresh(struct worker *worker, struct slice id, struct json_value document, uint64_t now_ms)
{
    int64_t used;
    if (json_integer(json_member(document, SLICE("used")), &used) && now_ms > (uint64_t)used &&
        now_ms - (uint64_t)used > USED_EVERY_MS)
        write_used(worker, id, now_ms);
}

static const char unreadable[] = "The store cannot be read now";

/* The user of a stored session that is not over; otherwise what is wrong. */
static const char *read_session(struct worker *worker, struct slice id, struct json *json,
                                struct buffer *user)
{
    struct store_record record;
    uint64_t now_ms = clock_wall_ms();
    enum error_code code = store_get(worker->store, COLLECTION_SESSIONS, id, &record);
    if (code == ERROR_NOT_FOUND)
        return "Token does not exist";
    if (code != ERROR_NONE || !store_record_parse(worker->store, COLLECTION_SESSIONS, id, &record, json))
        return unreadable;
    struct json_value document = json_root(json);
    if (token_is_over(worker, document, now_ms))
        return "Token was invalidated";
    struct buffer scratch = {0};
    buffer_append_slice(user, json_string(json_member(document, SLICE("user")), &scratch));
    buffer_free(&scratch);
    refresh(worker, id, document, now_ms);
    return NULL;
}

/* The account of a user, with one more reference, and the user's document; otherwise what is wrong. */
static const char *read_account(struct worker *worker, struct slice user, struct account **account,
                                struct store_record *record)
{
    enum error_code code = account_get(worker->authority, user, account);
    if (code == ERROR_NONE)
        code = store_get(worker->store, COLLECTION_USERS, user, record);
    if (code == ERROR_NONE)
        return NULL;
    return code == ERROR_NOT_FOUND ? "Token was invalidated" : unreadable;
}

const char *token_authorize(struct session *session, struct slice token, struct buffer *document)
{
    struct worker *worker = session->worker;
    uint8_t hash[TOKEN_HASH_BYTES];
    char id[TOKEN_ID + 1];
    struct json json = {0};
    struct buffer user = {0};
    token_hash(token, hash);
    token_id(hash, id);
    const char *wrong = unreadable;
    if (worker_snapshot(worker)) {
        struct account *account = NULL;
        struct store_record record;
        wrong = read_session(worker, slice_text(id), &json, &user);
        if (!wrong)
            wrong = read_account(worker, buffer_slice(&user), &account, &record);
        if (!wrong) {
            user_document_append(document, worker, account, record.full);
            session_authorize(session, account, hash);
        } else if (account) {
            account_put(worker->authority, account);
        }
    }
    json_free(&json);
    buffer_free(&user);
    return wrong;
}

/* A token is in use as long as a connection with it is. */
static void refresh_session(struct worker *worker, const struct session *session)
{
    struct user_document document;
    char id[TOKEN_ID + 1];
    token_id(session->token_hash, id);
    if (user_get(worker, COLLECTION_SESSIONS, slice_text(id), &document) == ERROR_NONE &&
        json_type(json_member(document.root, SLICE("ended"))) == JSON_NONE)
        refresh(worker, slice_text(id), document.root, clock_wall_ms());
    user_free(&document);
}

void token_refresh_used(struct worker *worker, uint64_t now_ms)
{
    struct session *session;
    for (unsigned i = 0; i < REFRESHED_AT_ONCE; i++) {
        session = authority_take_used(worker->authority, now_ms, USED_EVERY_MS);
        if (!session || !worker_snapshot(worker))
            return;
        refresh_session(worker, session);
    }
}

void token_authorize_handshake(struct session *session, struct slice token)
{
    struct buffer document = {0}, data = {0};
    const char *wrong = token_authorize(session, token, &document);
    if (wrong) {
        buffer_append_slice(&data, SLICE("{\"reason\":"));
        json_append_string(&data, slice_text(wrong));
        buffer_append_byte(&data, '}');
        session_send(session, "deauthorize", "users", buffer_slice(&data));
    } else {
        session_send(session, "amend", "users", buffer_slice(&document));
    }
    buffer_free(&document);
    buffer_free(&data);
}

void token_add_session(struct buffer *set, struct slice user, const char *address, struct slice browser,
                       char *token, uint8_t *hash)
{
    char id[TOKEN_ID + 1], shown[RANDOM_ID_LENGTH + 1];
    unsigned long long now_ms = clock_wall_ms();
    struct buffer body = {0};
    token_make(token);
    token_hash(slice_text(token), hash);
    token_id(hash, id);
    random_id(shown);
    buffer_append_format(&body, "{\"id\":\"%s\",\"user\":", shown);
    json_append_string(&body, user);
    buffer_append_format(&body, ",\"created\":%llu,\"used\":%llu,\"address\":", now_ms, now_ms);
    json_append_string(&body, slice_text(address));
    buffer_append_slice(&body, SLICE(",\"browser\":"));
    json_append_string(&body, browser);
    buffer_append_byte(&body, '}');
    struct change change = {
        .operation = CHANGE_INSERT,
        .version = CHANGE_ANY_VERSION,
        .collection = SLICE("sessions"),
        .id = slice_text(id),
        .body = buffer_slice(&body),
    };
    change_set_add(set, &change);
    buffer_free(&body);
}

/* ---- what a user's stored sessions may grow to ---- */

struct kept {
    int64_t used;
    char id[TOKEN_ID + 1];
};

struct pruning {
    struct worker *worker;
    struct buffer *set;
    struct kept *kept; /* not over */
    size_t count;
    size_t removed;
};

static void prune_one(struct pruning *pruning, struct slice id)
{
    if (pruning->removed++ < PRUNED_AT_ONCE)
        set_change(pruning->set, CHANGE_REMOVE, CHANGE_SKIP_MISSING, "sessions", id, CHANGE_ANY_VERSION,
                   (struct slice){0});
}

static bool look_at(void *argument, struct slice id, struct json_value document, uint64_t version)
{
    struct pruning *pruning = argument;
    struct kept kept = {0};
    (void)version;
    if (id.length != TOKEN_ID || token_is_over(pruning->worker, document, clock_wall_ms())) {
        prune_one(pruning, id);
        return true;
    }
    (void)json_integer(json_member(document, SLICE("used")), &kept.used);
    memcpy(kept.id, id.data, id.length);
    /* Grown by doubling: the count is a power of two when the room is used up. */
    if ((pruning->count & (pruning->count - 1)) == 0)
        pruning->kept =
            memory_resize(pruning->kept, pruning->count ? pruning->count * 2 : 1, sizeof *pruning->kept);
    pruning->kept[pruning->count++] = kept;
    return true;
}

static int by_use(const void *a, const void *b)
{
    const struct kept *left = a, *right = b;
    return (left->used > right->used) - (left->used < right->used);
}

bool token_prune(struct worker *worker, struct buffer *set, struct slice user)
{
    struct pruning pruning = {.worker = worker, .set = set};
    size_t most = worker->config->limits.sessions_per_user - 1; /* one is to be added */
    bool known = lookup(worker, COLLECTION_SESSIONS, "user", user, look_at, &pruning);
    if (known && pruning.count > most) {
        qsort(pruning.kept, pruning.count, sizeof *pruning.kept, by_use);
        for (size_t i = 0; i < pruning.count - most; i++)
            prune_one(&pruning, slice_of(pruning.kept[i].id, TOKEN_ID));
    }
    free(pruning.kept);
    return known;
}

void token_answer(struct buffer *out, struct slice document, struct slice token)
{
    buffer_append(out, document.data, document.length - 1); /* without its closing brace: it has members */
    buffer_append_slice(out, SLICE(",\"token\":"));
    json_append_string(out, token);
    buffer_append_byte(out, '}');
}
