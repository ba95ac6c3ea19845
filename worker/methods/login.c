/*
 * users.authorize_by_login, authorize_by_token, logout. A log-in takes as long whether the user exists or not
 * (a hash is checked in any case), does it in a thread, and answers with the same words.
 */

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/container_of.h"
#include "shared/base/memory.h"
#include "shared/base/random.h"
#include "shared/base/utf8.h"
#include "worker/authority/password.h"
#include "worker/authority/token.h"
#include "worker/authority/user_sets.h"
#include "worker/base/snapshot.h"
#include "worker/methods/attempt.h"
#include "worker/methods/credentials.h"
#include "worker/rpc/answer.h"
#include "worker/rpc/error_texts.h"
#include "worker/rpc/method.h"
#include "worker/rpc/params.h"
#include "worker/session/session.h"
#include "worker/session/tokens.h"

enum { BROWSER_MOST = 256 }; /* bytes that are kept */

/* One log-in on its way: password check, then the committer. Its ->hash is the one that the password was checked
 * against, which must still be the user's when the session is made. */
struct log_in {
    struct attempt attempt;
    char *browser;
    struct login_source source;
    bool cookie; /* the token goes into one, and not into the answer */
    char token[TOKEN_TEXT + 1];
    uint8_t token_hash[TOKEN_HASH_BYTES];
};

static struct log_in *log_in_of(struct attempt *attempt)
{
    return CONTAINER_OF(attempt, struct log_in, attempt);
}

static void login_release(struct attempt *attempt)
{
    struct log_in *login = log_in_of(attempt);
    memory_release_text(login->browser);
    memory_release(login, sizeof *login);
}

static void fail_incorrect(struct transaction *transaction)
{
    transaction_fail(transaction, ERROR_UNAUTHORIZED, "Incorrect username or password");
}

/*
 * The password is still the one that was checked, and from here on others know that somebody has logged in:
 * each log-in leaves another stamp, so that who ends all sessions misses none. The hash differs from that of
 * an earlier user of the same name even where the versions agree.
 */
static void add_stamp(struct buffer *set, struct slice user, uint64_t version, struct slice hash)
{
    struct buffer body = {0};
    buffer_append_text(&body, "[{\"op\":\"test\",\"path\":\"/hash\",\"value\":");
    json_append_string(&body, hash);
    buffer_append_format(&body, "},{\"op\":\"add\",\"path\":\"/stamp\",\"value\":\"%016llx\"}]",
                         (unsigned long long)random_number());
    user_set_change(set, CHANGE_PATCH, NO_FLAGS, COLLECTION_CREDENTIALS, user, (int64_t)version,
                    buffer_slice(&body));
    buffer_free(&body);
}

/* Whether the user is there and may log in. False: answered. */
static bool user_may_log_in(struct attempt *attempt, uint64_t *version)
{
    struct user_document document;
    bool reset = false;
    enum error_code code =
        user_get(attempt->transaction->worker, COLLECTION_USERS, slice_text(attempt->user), &document);
    if (code == ERROR_NONE)
        (void)json_boolean(json_member(document.root, SLICE("force_reset")), &reset);
    *version = document.version;
    user_free(&document);
    if (code == ERROR_NOT_FOUND)
        fail_incorrect(attempt->transaction);
    else if (code != ERROR_NONE)
        transaction_fail_unreadable(attempt->transaction, NULL);
    else if (reset)
        transaction_fail_with(attempt->transaction, ERROR_UNAUTHORIZED, SLICE("Password must be reset"),
                              SLICE("\"force_reset\":true"));
    return code == ERROR_NONE && !reset;
}

static bool login_evaluate(struct attempt *attempt, struct buffer *set)
{
    struct log_in *login = log_in_of(attempt);
    struct transaction *transaction = attempt->transaction;
    struct worker *worker = transaction->worker;
    struct slice user = slice_text(attempt->user);
    uint64_t user_version, version;
    char address[64];
    struct buffer hash = {0};
    if (!transaction->session) {
        transaction_fulfill(transaction, SLICE("null"), 0);
        return false;
    }
    bool same = slice_equal(credentials_read(worker, user, &hash, &version), slice_text(attempt->hash));
    buffer_free(&hash);
    if (!same)
        fail_incorrect(transaction);
    if (!same || !user_may_log_in(attempt, &user_version))
        return false;
    change_set_begin(set, change_bounds_of(&worker->config->limits), ANSWER_LITERAL, SLICE("null"));
    add_stamp(set, user, version, slice_text(attempt->hash));
    user_set_assert(set, COLLECTION_USERS, user, user_version);
    if (!token_prune(worker, set, user)) {
        transaction_fail_unreadable(transaction, NULL);
        return false;
    }
    token_add_login(set, user, session_address(transaction->session, address), slice_text(login->browser),
                    login->token, login->token_hash);
    return true;
}

/* A page whose browser keeps the token in a cookie never has it. */
static void login_answer(const struct log_in *login, struct buffer *answer, struct slice document)
{
    struct slice token = slice_text(login->token);
    if (login->cookie) {
        login->attempt.transaction->cookie = memory_copy(token.data, token.length);
        buffer_append_slice(answer, document);
    } else {
        token_answer(answer, document, token);
    }
}

static bool login_stored(struct attempt *attempt, const struct committer_result *result)
{
    struct log_in *login = log_in_of(attempt);
    struct transaction *transaction = attempt->transaction;
    struct buffer document = {0}, answer = {0};
    (void)result;
    if (transaction->session) {
        const char *wrong = token_authorize(transaction->session, slice_text(login->token), &document);
        if (wrong) {
            transaction_fail(transaction, ERROR_UNAUTHORIZED, "%s", wrong);
        } else {
            login_answer(login, &answer, buffer_slice(&document));
            transaction_fulfill(transaction, buffer_slice(&answer), 0);
        }
    } else {
        transaction_fulfill(transaction, SLICE("null"), 0);
    }
    buffer_free(&document);
    buffer_free(&answer);
    return false;
}

static void login_checked(void *argument, enum password_result result)
{
    struct attempt *attempt = argument;
    const struct log_in *login = argument;
    struct transaction *transaction = attempt->transaction;
    struct slice user = slice_text(attempt->user);
    if (credentials_throttled(transaction, user, &login->source)) {
        attempt_free(attempt);
    } else if (result == PASSWORD_UNCHECKED) {
        transaction_fail(transaction, ERROR_BUSY, "The password cannot be checked now; try again");
        attempt_free(attempt);
    } else if (result == PASSWORD_WRONG) {
        credentials_failed(transaction->worker, user, &login->source);
        fail_incorrect(transaction);
        attempt_free(attempt);
    } else {
        attempt_run(attempt);
    }
}

/* What the client says of itself, for people who look at sessions: as much of it as is kept. */
static bool read_browser(struct transaction *transaction, struct json_value data, struct buffer *scratch,
                         struct slice *browser)
{
    struct json_value value = json_member(data, SLICE("browser"));
    enum json_type type = json_type(value);
    size_t before = scratch->length;
    *browser = SLICE("");
    if (type == JSON_STRING) {
        *browser = json_string(value, scratch);
    } else if (type == JSON_OBJECT) {
        json_append_compact(scratch, value);
        *browser = slice_of(scratch->data + before, scratch->length - before);
    } else if (type > JSON_NULL) {
        transaction_fail(transaction, ERROR_INVALID, "browser: expected a string or an object, found %s",
                         json_type_name(type));
        return false;
    }
    *browser = utf8_cut(*browser, BROWSER_MOST);
    return true;
}

/* False: one is asked for that cannot be set, and the call has been answered. */
static bool read_cookie(struct transaction *transaction, struct json_value data, bool *cookie)
{
    if (!params_boolean(transaction, json_member(data, SLICE("cookie")), "cookie", false, cookie))
        return false;
    const char *fault = *cookie ? transaction->answers->cookie_fault(transaction) : NULL;
    if (fault)
        transaction_fail(transaction, ERROR_INVALID, "cookie: %s", fault);
    return !fault;
}

static void login_check_password(struct transaction *transaction, struct slice user, struct slice password,
                                 struct slice browser, bool cookie, const struct login_source *source)
{
    struct worker *worker = transaction->worker;
    struct attempt *attempt = attempt_create(transaction, sizeof(struct log_in), login_evaluate);
    struct buffer hash = {0};
    uint64_t version;
    attempt->release = login_release;
    attempt->done = login_stored;
    log_in_of(attempt)->source = *source;
    log_in_of(attempt)->cookie = cookie;
    attempt->user = memory_copy(user.data, user.length);
    log_in_of(attempt)->browser = memory_copy(browser.data, browser.length);
    struct slice against = credentials_read(worker, user, &hash, &version);
    attempt->hash = memory_copy(against.data ? against.data : "", against.length);
    if (!password_check(worker, password, against, login_checked, attempt)) {
        transaction_fail(transaction, ERROR_BUSY, "Too many clients are logging in; try again");
        attempt_free(attempt);
    }
    buffer_free(&hash);
}

static void authorize_by_login(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"username", "password", "browser", "cookie"};
    struct worker *worker = transaction->worker;
    struct slice user, password, browser;
    bool cookie;
    struct login_source source = credentials_source(transaction->session);
    if (!params_object(transaction, data, keys) ||
        !params_text(transaction, json_member(data, SLICE("username")), "username", 1, STORE_ID_BYTES,
                     &worker->scratch, &user) ||
        !params_text(transaction, json_member(data, SLICE("password")), "password", 0, PASSWORD_MOST,
                     &worker->scratch, &password) ||
        !read_browser(transaction, data, &worker->scratch, &browser) ||
        !read_cookie(transaction, data, &cookie) || credentials_throttled(transaction, user, &source))
        return;
    transaction_names(transaction, user);
    if (snapshot_take(worker))
        login_check_password(transaction, user, password, browser, cookie, &source);
    else
        transaction_fail(transaction, ERROR_INTERNAL, "%s", text_store_unreadable);
}

static void authorize_by_token(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"token", "browser"};
    struct worker *worker = transaction->worker;
    struct slice token, browser;
    struct buffer document = {0}, answer = {0};
    if (!params_object(transaction, data, keys) ||
        !params_text(transaction, json_member(data, SLICE("token")), "token", 1, HANDSHAKE_TOKEN_MOST,
                     &worker->scratch, &token) ||
        !read_browser(transaction, data, &worker->scratch, &browser))
        return;
    const char *wrong = token_authorize(transaction->session, token, &document);
    if (wrong) {
        transaction_fail(transaction, ERROR_UNAUTHORIZED, "%s", wrong);
    } else {
        token_answer(&answer, buffer_slice(&document), token);
        transaction_fulfill(transaction, buffer_slice(&answer), 0);
    }
    buffer_free(&document);
    buffer_free(&answer);
}

/* The stored log-in is marked, not removed, so that its token says "invalidated" until it is pruned. Its end
 * reaches all connections with it through the ring, this one included. */
static void log_out(struct transaction *transaction, struct json_value data)
{
    struct session *session = transaction->session;
    struct buffer set = {0}, body = {0};
    char id[TOKEN_ID + 1];
    if (!params_none(transaction, data))
        return;
    transaction->cookie = memory_copy("", 0);
    if (!session->login.has_token) {
        transaction_fulfill(transaction, SLICE("null"), 0);
        return;
    }
    token_id(session->login.token_hash, id);
    buffer_append_format(&body, "{\"ended\":%llu}", (unsigned long long)clock_wall_ms());
    change_set_begin(&set, change_bounds_of(&transaction->worker->config->limits), ANSWER_LITERAL,
                     SLICE("null"));
    struct change change = {
        .operation = CHANGE_MERGE,
        .flags = CHANGE_SKIP_MISSING,
        .version = CHANGE_ANY_VERSION,
        .collection = slice_text(collection_names[COLLECTION_SESSIONS]),
        .id = slice_text(id),
        .body = buffer_slice(&body),
    };
    change_set_add(&set, &change);
    transaction_commit(transaction, &set);
    buffer_free(&set);
    buffer_free(&body);
}

static const struct method methods[] = {
    {"authorize_by_login", ACCESS_UNPROTECTED, authorize_by_login, UNDECLARED},
    {"authorize_by_token", ACCESS_UNPROTECTED, authorize_by_token, UNDECLARED},
    {"logout", ACCESS_AUTHORIZED, log_out, UNDECLARED},
};

const struct method_table login_methods = {methods, sizeof methods / sizeof *methods};
