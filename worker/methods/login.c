/*
 * users.authorize_by_login, authorize_by_token, logout. A log-in takes as long whether the user exists or not
 * (a hash is checked in any case), does it in a thread, and answers with the same words.
 */

#include "worker/methods/login.h"

#include <sodium.h>
#include <stdlib.h>

#include "shared/clock.h"
#include "shared/memory.h"
#include "worker/authority/password.h"
#include "worker/authority/throttle.h"
#include "worker/authority/token.h"
#include "worker/committer_link.h"
#include "worker/methods/tokens.h"
#include "worker/rpc/params.h"
#include "worker/session.h"

enum { BROWSER_MOST = 128, ADDRESS_KEY = 20 };

/* One log-in on its way: password check, then the committer. */
struct login {
    struct transaction *transaction;
    char *user;
    char *browser;
    int64_t credentials_version; /* the password that was checked must still be the one when the session is
                                    made */
    char token[TOKEN_TEXT + 1];
    uint8_t hash[TOKEN_HASH_BYTES];
};

static void login_free(struct login *login)
{
    sodium_memzero(login->token, sizeof login->token);
    free(login->user);
    free(login->browser);
    free(login);
}

static struct slice address_key(const struct connection *connection, char key[ADDRESS_KEY])
{
    key[0] = 'a';
    key[1] = (char)connection->family;
    memcpy(key + 2, connection->address, sizeof connection->address);
    return slice_of(key, 2 + sizeof connection->address);
}

static struct slice user_key(struct slice user, struct buffer *key)
{
    buffer_append_byte(key, 'u');
    buffer_append_slice(key, user);
    return buffer_slice(key);
}

static bool throttled(struct session *session, struct slice user)
{
    char address[ADDRESS_KEY];
    struct buffer key = {0};
    uint64_t now_ms = clock_monotonic_ms();
    const struct login_attempts *attempts = session->worker->attempts;
    uint64_t most = session->worker->config->limits.login_attempts;
    bool closed = throttle_closed(attempts, most, user_key(user, &key), now_ms) ||
                  throttle_closed(attempts, most, address_key(session->connection, address), now_ms);
    buffer_free(&key);
    return closed;
}

static void fail_throttled(struct transaction *transaction)
{
    transaction_fail(transaction, ERROR_RATE_LIMITED, "Too many failed log-ins; try again in a minute");
}

static void count_failure(struct session *session, const char *user)
{
    char address[ADDRESS_KEY];
    struct buffer key = {0};
    uint64_t now_ms = clock_monotonic_ms();
    throttle_failed(session->worker->attempts, user_key(slice_text(user), &key), now_ms);
    throttle_failed(session->worker->attempts, address_key(session->connection, address), now_ms);
    buffer_free(&key);
}

static void stored(void *argument, const struct committer_result *result)
{
    struct login *login = argument;
    struct transaction *transaction = login->transaction;
    struct worker *worker = transaction->worker;
    struct buffer document = {0}, answer = {0};
    if (result->code == ERROR_CONFLICT || result->code == ERROR_NOT_FOUND) {
        transaction_fail(transaction, ERROR_UNAUTHORIZED, "Incorrect username or password");
    } else if (result->code != ERROR_NONE) {
        transaction_fail(transaction, result->code, "%.*s", (int)result->text.length, result->text.data);
    } else if (transaction->session) {
        const char *wrong = token_authorize(transaction->session, slice_text(login->token), &document);
        if (wrong) {
            transaction_fail(transaction, ERROR_UNAUTHORIZED, "%s", wrong);
        } else {
            token_answer(&answer, buffer_slice(&document), slice_text(login->token));
            transaction_fulfill(transaction, buffer_slice(&answer), 0);
            sodium_memzero(answer.data, answer.length);
            sodium_memzero(worker->reply.data, worker->reply.capacity);
        }
    } else {
        transaction_fulfill(transaction, SLICE("null"), 0);
    }
    buffer_free(&document);
    buffer_free(&answer);
    login_free(login);
}

static void make_session(struct login *login)
{
    struct transaction *transaction = login->transaction;
    struct worker *worker = transaction->worker;
    char address[64];
    struct buffer set = {0};
    enum error_code code;
    change_set_begin(&set, ANSWER_LITERAL, SLICE("null"));
    struct change unchanged = {
        .operation = CHANGE_ASSERT,
        .version = login->credentials_version,
        .collection = SLICE("credentials"),
        .id = slice_text(login->user),
    };
    change_set_add(&set, &unchanged);
    token_prune(worker, &set, slice_text(login->user));
    token_add_session(worker, &set, slice_text(login->user),
                      connection_address(transaction->session->connection, address),
                      slice_text(login->browser), login->token, login->hash);
    if (!committer_link_submit(worker->link, buffer_slice(&set), stored, login, &code)) {
        transaction_fail(transaction, code, "Nobody can log in now; try again");
        login_free(login);
    }
    buffer_free(&set);
}

/* Whether an administrator has asked for a new password first. */
static bool must_reset(struct worker *worker, struct slice user)
{
    struct store_record record;
    struct json json = {0};
    bool reset = false;
    if (store_get(worker->store, COLLECTION_USERS, user, &record) == ERROR_NONE &&
        json_parse(&json, record.full.data, record.full.length))
        (void)json_boolean(json_member(json_root(&json), SLICE("force_reset")), &reset);
    json_free(&json);
    return reset;
}

static void checked(void *argument, bool same)
{
    struct login *login = argument;
    struct transaction *transaction = login->transaction;
    if (!transaction->session) {
        transaction_fulfill(transaction, SLICE("null"), 0);
        login_free(login);
        return;
    }
    /* Many guesses sent at once are answered no better than one after the other. */
    if (throttled(transaction->session, slice_text(login->user))) {
        fail_throttled(transaction);
        login_free(login);
        return;
    }
    if (!same) {
        count_failure(transaction->session, login->user);
        transaction_fail(transaction, ERROR_UNAUTHORIZED, "Incorrect username or password");
        login_free(login);
        return;
    }
    if (!worker_snapshot(transaction->worker)) {
        transaction_fail(transaction, ERROR_INTERNAL, "The store cannot be read now");
        login_free(login);
        return;
    }
    if (must_reset(transaction->worker, slice_text(login->user))) {
        transaction_fail_with(transaction, ERROR_UNAUTHORIZED, SLICE("Password must be reset"),
                              SLICE("\"force_reset\":true"));
        login_free(login);
        return;
    }
    make_session(login);
}

/* The stored hash of a user's password; absent when there is no such user. */
static struct slice read_hash(struct worker *worker, struct slice user, struct buffer *hash, int64_t *version)
{
    struct store_record record;
    struct json json = {0};
    struct slice found = {0};
    if (store_get(worker->store, COLLECTION_CREDENTIALS, user, &record) == ERROR_NONE &&
        json_parse(&json, record.full.data, record.full.length)) {
        struct buffer scratch = {0};
        buffer_append_slice(hash, json_string(json_member(json_root(&json), SLICE("hash")), &scratch));
        buffer_free(&scratch);
        found = buffer_slice(hash);
        *version = (int64_t)record.version;
    }
    json_free(&json);
    return found;
}

static bool read_browser(struct transaction *transaction, struct json_value data, struct buffer *scratch,
                         struct slice *browser)
{
    struct json_value value = json_member(data, SLICE("browser"));
    *browser = SLICE("");
    return json_type(value) <= JSON_NULL ||
           params_text(transaction, value, "browser", 0, BROWSER_MOST, scratch, browser);
}

void authorize_by_login(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"username", "password", "browser"};
    struct worker *worker = transaction->worker;
    struct slice user, password, browser;
    if (!params_object(transaction, data, keys, 3) ||
        !params_text(transaction, json_member(data, SLICE("username")), "username", 1, STORE_ID_BYTES,
                     &worker->scratch, &user) ||
        !params_text(transaction, json_member(data, SLICE("password")), "password", 0, PASSWORD_MOST,
                     &worker->scratch, &password) ||
        !read_browser(transaction, data, &worker->scratch, &browser))
        return;
    if (throttled(transaction->session, user)) {
        fail_throttled(transaction);
        return;
    }
    if (!worker_snapshot(worker)) {
        transaction_fail(transaction, ERROR_INTERNAL, "The store cannot be read now");
        return;
    }
    struct login *login = memory_zeroed(1, sizeof *login);
    struct buffer hash = {0};
    login->transaction = transaction;
    login->user = memory_copy(user.data, user.length);
    login->browser = memory_copy(browser.data, browser.length);
    struct slice against = read_hash(worker, user, &hash, &login->credentials_version);
    if (!password_check(worker, password, against, checked, login)) {
        transaction_fail(transaction, ERROR_BUSY, "Too many are logging in; try again");
        login_free(login);
    }
    if (worker->scratch.length)
        sodium_memzero(worker->scratch.data, worker->scratch.length);
    buffer_free(&hash);
}

void authorize_by_token(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"token", "browser"};
    struct worker *worker = transaction->worker;
    struct slice token, browser;
    struct buffer document = {0}, answer = {0};
    if (!params_object(transaction, data, keys, 2) ||
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
        sodium_memzero(answer.data, answer.length);
        sodium_memzero(worker->reply.data, worker->reply.capacity);
    }
    buffer_free(&document);
    buffer_free(&answer);
}

/* The stored session is marked, not removed, so that its token says "invalidated" until it is pruned. Its end
 * reaches all connections with it through the ring, this one included. */
void logout(struct transaction *transaction, struct json_value data)
{
    struct session *session = transaction->session;
    struct buffer set = {0}, body = {0};
    char id[TOKEN_ID + 1];
    if (json_type(data) > JSON_NULL && !params_object(transaction, data, NULL, 0))
        return;
    if (!session->has_token) {
        transaction_fulfill(transaction, SLICE("null"), 0);
        return;
    }
    token_id(session->token_hash, id);
    buffer_append_format(&body, "{\"ended\":%llu}", (unsigned long long)clock_wall_ms());
    change_set_begin(&set, ANSWER_LITERAL, SLICE("null"));
    struct change change = {
        .operation = CHANGE_MERGE,
        .flags = CHANGE_SKIP_MISSING,
        .version = CHANGE_ANY_VERSION,
        .collection = SLICE("sessions"),
        .id = slice_text(id),
        .body = buffer_slice(&body),
    };
    change_set_add(&set, &change);
    transaction_commit(transaction, &set);
    buffer_free(&set);
    buffer_free(&body);
}
