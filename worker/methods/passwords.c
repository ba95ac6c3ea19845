/* users.change_password, set_password, set_force_reset. */

#include "worker/methods/passwords.h"

#include <stdlib.h>

#include "shared/base/container_of.h"
#include "shared/base/memory.h"
#include "worker/authority/password.h"
#include "worker/authority/token.h"
#include "worker/authority/user_sets.h"
#include "worker/base/snapshot.h"
#include "worker/methods/credentials.h"
#include "worker/methods/user_answers.h"
#include "worker/rpc/error_texts.h"
#include "worker/rpc/method.h"
#include "worker/rpc/params.h"
#include "worker/session/session.h"

static void passwords_hashed(void *argument, const char *hash)
{
    struct attempt *attempt = argument;
    if (hash) {
        attempt->hash = memory_copy(hash, strlen(hash));
        attempt_run(attempt);
    } else {
        transaction_fail(attempt->transaction, ERROR_BUSY,
                         "There is not enough memory for the password's hash");
        attempt_free(attempt);
    }
}

void password_then_run(struct attempt *attempt, struct slice password)
{
    if (password_hash(attempt->transaction->worker, password, passwords_hashed, attempt))
        return;
    transaction_fail(attempt->transaction, ERROR_BUSY, "Too many passwords are being checked; try again");
    attempt_free(attempt);
}

bool password_read(struct transaction *transaction, struct json_value data, const char *key,
                   struct slice *password)
{
    return params_text(transaction, json_member(data, slice_text(key)), key, PASSWORD_LEAST, PASSWORD_MOST,
                       &transaction->worker->scratch, password);
}

/* ---- set_password ---- */

/* False: the store cannot be read. */
static bool put_password(struct worker *worker, struct buffer *set, struct slice user, struct slice hash)
{
    struct buffer body = {0};
    bool known = user_set_assert_sessions(worker, set, user);
    credentials_append(&body, hash);
    user_set_change(set, CHANGE_REPLACE, NO_FLAGS, COLLECTION_CREDENTIALS, user, CHANGE_ANY_VERSION,
                    buffer_slice(&body));
    buffer_free(&body);
    return known;
}

static bool evaluate_set(struct attempt *attempt, struct buffer *set)
{
    struct worker *worker = attempt->transaction->worker;
    struct slice user = slice_text(attempt->user);
    struct user_document document;
    attempt_begin(attempt, set, SLICE("null"));
    bool good = user_to_manage(attempt, set, &document);
    if (good) {
        user_set_assert(set, COLLECTION_USERS, user, document.version);
        good = put_password(worker, set, user, slice_text(attempt->hash ? attempt->hash : "")) &&
               user_set_end_sessions(worker, set, user);
        if (!good)
            transaction_fail_unreadable(attempt->transaction, NULL);
    }
    user_free(&document);
    return good;
}

static void set_password(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"_id", "new_password"};
    struct worker *worker = transaction->worker;
    struct slice user, password;
    if (!params_object(transaction, data, keys) ||
        !params_id(transaction, json_member(data, SLICE("_id")), "_id", &worker->scratch, &user) ||
        !password_read(transaction, data, "new_password", &password))
        return;
    struct attempt *attempt = attempt_create(transaction, sizeof *attempt, evaluate_set);
    attempt->user = memory_copy(user.data, user.length);
    if (attempt_try(attempt))
        password_then_run(attempt, password);
}

/* ---- set_force_reset ---- */

struct setting_of_reset {
    struct attempt attempt;
    bool force_reset;
};

static bool evaluate_reset(struct attempt *attempt, struct buffer *set)
{
    struct worker *worker = attempt->transaction->worker;
    struct slice user = slice_text(attempt->user);
    struct user_document document;
    attempt_begin(attempt, set, SLICE("null"));
    bool good = user_to_manage(attempt, set, &document);
    if (good) {
        user_set_change(set, CHANGE_MERGE, NO_FLAGS, COLLECTION_USERS, user, (int64_t)document.version,
                        CONTAINER_OF(attempt, struct setting_of_reset, attempt)->force_reset
                            ? SLICE("{\"force_reset\":true}")
                            : SLICE("{\"force_reset\":false}"));
        good = user_set_assert_sessions(worker, set, user) && user_set_end_sessions(worker, set, user);
        if (!good)
            transaction_fail_unreadable(attempt->transaction, NULL);
    }
    user_free(&document);
    return good;
}

static void set_force_reset(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"_id", "force_reset"};
    struct slice user;
    bool reset;
    struct json_value value = json_member(data, SLICE("force_reset"));
    if (!params_object(transaction, data, keys) ||
        !params_id(transaction, json_member(data, SLICE("_id")), "_id", &transaction->worker->scratch, &user))
        return;
    if (!json_boolean(value, &reset)) {
        transaction_fail(transaction, ERROR_INVALID, "force_reset: expected true or false, found %s",
                         json_type_name(json_type(value)));
        return;
    }
    struct attempt *attempt = attempt_create(transaction, sizeof(struct setting_of_reset), evaluate_reset);
    attempt->user = memory_copy(user.data, user.length);
    CONTAINER_OF(attempt, struct setting_of_reset, attempt)->force_reset = reset;
    attempt_run(attempt);
}

/* ---- change_password ---- */

struct change_of_password {
    struct attempt attempt;
    struct login_source source;
    char *old_hash;
    char *new_password;
};

static void change_release(struct attempt *attempt)
{
    struct change_of_password *change = CONTAINER_OF(attempt, struct change_of_password, attempt);
    memory_release_text(change->old_hash);
    memory_release_text(change->new_password);
    free(change);
}

static void fail_credentials(struct transaction *transaction)
{
    transaction_fail(transaction, ERROR_UNAUTHORIZED, "Invalid credentials");
}

static void replace_hash(struct buffer *set, struct slice user, struct slice old, struct slice new)
{
    struct buffer body = {0};
    buffer_append_text(&body, "[{\"op\":\"test\",\"path\":\"/hash\",\"value\":");
    json_append_string(&body, old);
    buffer_append_text(&body, "},{\"op\":\"replace\",\"path\":\"/hash\",\"value\":");
    json_append_string(&body, new);
    buffer_append_text(&body, "}]");
    user_set_change(set, CHANGE_PATCH, NO_FLAGS, COLLECTION_CREDENTIALS, user, CHANGE_ANY_VERSION,
                    buffer_slice(&body));
    buffer_free(&body);
}

/* The password that was checked must still be the one. */
static bool evaluate_change(struct attempt *attempt, struct buffer *set)
{
    struct change_of_password *change = CONTAINER_OF(attempt, struct change_of_password, attempt);
    struct transaction *transaction = attempt->transaction;
    struct slice user = slice_text(attempt->user);
    struct store_record record;
    struct buffer hash = {0};
    uint64_t version;
    struct slice stored = credentials_read(transaction->worker, user, &hash, &version);
    bool good = slice_equal(stored, slice_text(change->old_hash)) &&
                store_get(transaction->worker->store, COLLECTION_USERS, user, &record) == ERROR_NONE;
    buffer_free(&hash);
    if (!good) {
        fail_credentials(transaction);
        return false;
    }
    attempt_begin(attempt, set, SLICE("null"));
    replace_hash(set, user, slice_text(change->old_hash), slice_text(attempt->hash));
    user_set_change(set, CHANGE_MERGE, NO_FLAGS, COLLECTION_USERS, user, CHANGE_ANY_VERSION,
                    SLICE("{\"force_reset\":false}"));
    return true;
}

static void passwords_checked(void *argument, enum password_result result)
{
    struct attempt *attempt = argument;
    struct change_of_password *change = argument;
    struct transaction *transaction = attempt->transaction;
    struct slice user = slice_text(attempt->user);
    if (credentials_throttled(transaction, user, &change->source)) {
        attempt_free(attempt);
        return;
    }
    if (result == PASSWORD_UNCHECKED) {
        transaction_fail(transaction, ERROR_BUSY, "The password cannot be checked now; try again");
        attempt_free(attempt);
        return;
    }
    if (result == PASSWORD_RIGHT) {
        password_then_run(attempt, slice_text(change->new_password));
        return;
    }
    /* Who repeats a call that succeeded has an old password that is wrong by now. It counts like any other,
     * so that nobody guesses for nothing. */
    credentials_failed(transaction->worker, user, &change->source);
    if (!snapshot_take(transaction->worker) || !attempt_answer_again(attempt))
        fail_credentials(transaction);
    attempt_free(attempt);
}

/* Anybody may call, so a key of `once` says nothing of who does: it belongs to the session that it came on,
 * and to the user whose password is changed. */
static void key_by_session(struct attempt *attempt)
{
    const struct transaction *transaction = attempt->transaction;
    char id[TOKEN_ID + 1] = "";
    free(attempt->caller);
    attempt->caller = NULL;
    if (!attempt->control && !transaction->has_token)
        return;
    if (!attempt->control)
        token_id(transaction->token_hash, id);
    struct buffer key = {0};
    buffer_append_format(&key, "%s%s %s", attempt->control ? "(control)" : "(session) ", id,
                         attempt->user); /* no user has such a name */
    attempt->caller = memory_copy(key.data, key.length);
    buffer_free(&key);
}

static void passwords_check_old(struct transaction *transaction, struct slice user, struct slice old,
                                struct slice new, const struct login_source *source)
{
    struct attempt *attempt = attempt_create(transaction, sizeof(struct change_of_password), evaluate_change);
    struct change_of_password *change = CONTAINER_OF(attempt, struct change_of_password, attempt);
    struct buffer hash = {0};
    uint64_t version;
    struct slice against = credentials_read(transaction->worker, user, &hash, &version);
    attempt->release = change_release;
    change->source = *source;
    attempt->user = memory_copy(user.data, user.length);
    key_by_session(attempt);
    change->old_hash = memory_copy(against.data ? against.data : "", against.length);
    change->new_password = memory_copy(new.data, new.length);
    if (!password_check(transaction->worker, old, against, passwords_checked, change)) {
        transaction_fail(transaction, ERROR_BUSY, "Too many passwords are being checked; try again");
        attempt_free(attempt);
    }
    buffer_free(&hash);
}

static void change_password(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"_id", "old_password", "new_password"};
    struct worker *worker = transaction->worker;
    struct slice user, old, new;
    struct login_source source = credentials_source(transaction->session);
    if (!params_object(transaction, data, keys) ||
        !params_text(transaction, json_member(data, SLICE("_id")), "_id", 1, STORE_ID_BYTES, &worker->scratch,
                     &user) ||
        !params_text(transaction, json_member(data, SLICE("old_password")), "old_password", 0, PASSWORD_MOST,
                     &worker->scratch, &old) ||
        !password_read(transaction, data, "new_password", &new) ||
        credentials_throttled(transaction, user, &source))
        return;
    transaction_names(transaction, user);
    if (snapshot_take(worker))
        passwords_check_old(transaction, user, old, new, &source);
    else
        transaction_fail(transaction, ERROR_INTERNAL, "%s", text_store_unreadable);
}

static const struct method methods[] = {
    {"change_password", ACCESS_UNPROTECTED, change_password, UNDECLARED},
    {"set_password", ACCESS_OPTIONS, set_password, UNDECLARED},
    {"set_force_reset", ACCESS_OPTIONS, set_force_reset, UNDECLARED},
};

const struct method_table password_methods = {methods, sizeof methods / sizeof *methods};
