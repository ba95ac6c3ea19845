/* The methods of `users` beside the reading ones. A user is two documents: what others may see, and the
 * password's hash in the internal collection `credentials`. */

#include <stdlib.h>
#include <string.h>

#include "shared/memory.h"
#include "worker/authority/password.h"
#include "worker/committer_link.h"
#include "worker/methods/login.h"
#include "worker/methods/settings.h"
#include "worker/rpc/method.h"
#include "worker/rpc/params.h"

struct addition {
    struct transaction *transaction;
    struct buffer set; /* everything but the hash */
    char *user;
};

static void addition_free(struct addition *addition)
{
    buffer_free(&addition->set);
    free(addition->user);
    free(addition);
}

static void hashed(void *argument, const char *hash)
{
    struct addition *addition = argument;
    struct buffer body = {0};
    if (!hash) {
        transaction_fail(addition->transaction, ERROR_BUSY,
                         "There is not enough memory for the password's hash");
        addition_free(addition);
        return;
    }
    buffer_append_slice(&body, SLICE("{\"hash\":"));
    json_append_string(&body, slice_text(hash));
    buffer_append_byte(&body, '}');
    struct change change = {
        .operation = CHANGE_REPLACE,
        .version = CHANGE_ANY_VERSION,
        .collection = SLICE("credentials"),
        .id = slice_text(addition->user),
        .body = buffer_slice(&body),
    };
    change_set_add(&addition->set, &change);
    transaction_commit(addition->transaction, &addition->set);
    buffer_free(&body);
    addition_free(addition);
}

/* The user's document from the call's data; each group must exist (asserted in the set). False: answered. */
static bool add_groups(struct transaction *transaction, struct json_value groups, struct buffer *set,
                       struct buffer *body)
{
    if (json_type(groups) > JSON_NULL && json_type(groups) != JSON_ARRAY) {
        transaction_fail(transaction, ERROR_INVALID, "groups: expected a list of names, found %s",
                         json_type_name(json_type(groups)));
        return false;
    }
    struct json_iterator each = json_begin(groups);
    bool first = true;
    while (json_step(&each)) {
        struct slice group;
        if (!params_id(transaction, each.value, "groups", &transaction->worker->scratch, &group))
            return false;
        struct store_record record;
        if (store_get(transaction->worker->store, COLLECTION_GROUPS, group, &record) != ERROR_NONE) {
            transaction_fail(transaction, ERROR_NOT_FOUND, "There is no group %.*s", (int)group.length,
                             group.data);
            return false;
        }
        struct change there = {
            .operation = CHANGE_ASSERT,
            .version = CHANGE_ANY_VERSION,
            .collection = SLICE("groups"),
            .id = group,
        };
        change_set_add(set, &there);
        if (!first)
            buffer_append_byte(body, ',');
        first = false;
        json_append_string(body, group);
    }
    return true;
}

/* Parentheses mark names that are no users, such as (control). */
static bool name_allowed(struct transaction *transaction, struct slice user)
{
    if (!memchr(user.data, '(', user.length) && !memchr(user.data, ')', user.length))
        return true;
    transaction_fail(transaction, ERROR_INVALID, "_id: a user's name has no parentheses");
    return false;
}

static bool make_user(struct transaction *transaction, struct json_value data, struct slice user,
                      struct buffer *set)
{
    struct buffer body = {0};
    bool reset = false;
    buffer_append_slice(&body, SLICE("{\"groups\":["));
    bool good =
        params_boolean(transaction, json_member(data, SLICE("force_reset")), "force_reset", false, &reset) &&
        add_groups(transaction, json_member(data, SLICE("groups")), set, &body);
    buffer_append_format(&body, "],\"primary_group\":null,\"force_reset\":%s,\"settings\":{}}",
                         reset ? "true" : "false");
    struct change change = {
        .operation = CHANGE_INSERT,
        .version = CHANGE_ANY_VERSION,
        .collection = SLICE("users"),
        .id = user,
        .body = buffer_slice(&body),
    };
    if (good)
        change_set_add(set, &change);
    buffer_free(&body);
    return good;
}

static void add(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"_id", "password", "force_reset", "groups"};
    struct worker *worker = transaction->worker;
    struct slice user, password;
    struct store_record record;
    if (!params_object(transaction, data, keys, 4) ||
        !params_id(transaction, json_member(data, SLICE("_id")), "_id", &worker->scratch, &user) ||
        !name_allowed(transaction, user) ||
        !params_text(transaction, json_member(data, SLICE("password")), "password", PASSWORD_LEAST,
                     PASSWORD_MOST, &worker->scratch, &password))
        return;
    if (!worker_snapshot(worker)) {
        transaction_fail(transaction, ERROR_INTERNAL, "The store cannot be read now");
        return;
    }
    if (store_get(worker->store, COLLECTION_USERS, user, &record) == ERROR_NONE) {
        transaction_fail(transaction, ERROR_EXISTS, "User already exists");
        return;
    }
    struct addition *addition = memory_zeroed(1, sizeof *addition);
    addition->transaction = transaction;
    addition->user = memory_copy(user.data, user.length);
    transaction_begin_set(transaction, &addition->set, ANSWER_LITERAL, SLICE("null"));
    if (!make_user(transaction, data, user, &addition->set)) {
        addition_free(addition);
    } else if (!password_hash(worker, password, hashed, addition)) {
        transaction_fail(transaction, ERROR_BUSY, "Too many passwords are being checked; try again");
        addition_free(addition);
    }
}

static const struct method methods[] = {
    {"authorize_by_login", METHOD_UNPROTECTED, authorize_by_login, -1},
    {"authorize_by_token", METHOD_UNPROTECTED, authorize_by_token, -1},
    {"logout", METHOD_AUTHORIZED, logout, -1},
    {"add", METHOD_OPTIONS, add, -1},
    {"change_user_setting", METHOD_AUTHORIZED, change_user_setting, METHOD_ANSWERS_AGAIN},
};

const struct method_table users_methods = {methods, sizeof methods / sizeof *methods};
