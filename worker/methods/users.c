/* users.add, remove_user. A user is two documents: what others may see, and the password's hash in the internal
 * collection `credentials`. */

#include <stdlib.h>

#include "shared/base/container_of.h"
#include "shared/base/memory.h"
#include "worker/authority/authority.h"
#include "worker/authority/user_sets.h"
#include "worker/methods/addition.h"
#include "worker/methods/attempt.h"
#include "worker/methods/credentials.h"
#include "worker/methods/passwords.h"
#include "worker/methods/user_answers.h"
#include "worker/rpc/error_texts.h"
#include "worker/rpc/method.h"
#include "worker/rpc/params.h"

/* ---- add ---- */

struct user_addition {
    struct addition addition;
    char *groups; /* JSON list */
    bool force_reset;
};

static struct user_addition *user_addition_of(struct attempt *attempt)
{
    return CONTAINER_OF(attempt, struct user_addition, addition.attempt);
}

static void user_addition_release(struct attempt *attempt)
{
    struct user_addition *addition = user_addition_of(attempt);
    memory_release_text(addition->groups);
    free(addition);
}

/* One group of the new user: it must be there, and still be when the set is applied. False: answered. */
static bool add_to_group(struct attempt *attempt, struct buffer *set, struct slice group)
{
    struct transaction *transaction = attempt->transaction;
    uint64_t version;
    enum error_code code = user_group_get(transaction->worker, group, &version);
    if (code != ERROR_NONE) {
        user_fail(transaction, code, text_group_missing);
        return false;
    }
    if (user_is_administrator_group(group) && !attempt_needs_administrator(attempt, set)) {
        transaction_fail(transaction, ERROR_FORBIDDEN, "Only administrators may make an administrator");
        return false;
    }
    user_set_assert(set, COLLECTION_GROUPS, group, version);
    return true;
}

static bool add_groups(struct attempt *attempt, struct buffer *set)
{
    const char *groups = user_addition_of(attempt)->groups;
    struct json json = {0};
    struct buffer scratch = {0};
    bool good = json_parse(&json, groups, strlen(groups));
    struct json_iterator each = json_begin(json_root(&json));
    while (good && json_step(&each)) {
        buffer_clear(&scratch);
        good = add_to_group(attempt, set, json_string(each.value, &scratch));
    }
    buffer_free(&scratch);
    json_free(&json);
    return good;
}

static void add_documents(struct attempt *attempt, struct buffer *set)
{
    struct user_addition *addition = user_addition_of(attempt);
    struct slice user = slice_text(attempt->user);
    struct buffer body = {0};
    buffer_append_format(&body, "{\"groups\":%s,\"primary_group\":null,\"force_reset\":%s,\"settings\":{}}",
                         addition->groups, addition->force_reset ? "true" : "false");
    addition_insert(&addition->addition, set, buffer_slice(&body));
    buffer_clear(&body);
    credentials_append(&body, slice_text(attempt->hash ? attempt->hash : ""));
    user_set_change(set, CHANGE_REPLACE, NO_FLAGS, COLLECTION_CREDENTIALS, user, CHANGE_ANY_VERSION,
                    buffer_slice(&body));
    buffer_free(&body);
}

static bool evaluate_user_addition(struct attempt *attempt, struct buffer *set)
{
    struct transaction *transaction = attempt->transaction;
    struct worker *worker = transaction->worker;
    struct slice user = slice_text(attempt->user);
    if (!addition_begin(&user_addition_of(attempt)->addition, set, SLICE("null")))
        return false;
    if (!add_groups(attempt, set))
        return false;
    add_documents(attempt, set);
    /* Sessions there are of a user of that name whose document alone was removed. */
    bool good = user_set_remove_sessions(worker, set, user);
    if (!good)
        transaction_fail_unreadable(transaction, NULL);
    return good;
}

static bool named_before(struct json_value groups, struct slice group, uint32_t at)
{
    struct json_iterator each = json_begin(groups);
    for (uint32_t i = 0; i < at && json_step(&each); i++)
        if (json_string_is(each.value, group))
            return true;
    return false;
}

/* The list of groups as a user's document has it, each once. False: answered. */
static bool read_groups(struct transaction *transaction, struct json_value groups, struct buffer *list)
{
    if (json_type(groups) > JSON_NULL &&
        (json_type(groups) != JSON_ARRAY || json_count(groups) > USER_GROUPS_MOST)) {
        transaction_fail(transaction, ERROR_INVALID, "groups: expected a list of up to %d names, found %s",
                         USER_GROUPS_MOST,
                         json_type(groups) == JSON_ARRAY ? "more" : json_type_name(json_type(groups)));
        return false;
    }
    struct json_iterator each = json_begin(groups);
    buffer_append_byte(list, '[');
    for (uint32_t i = 0; json_step(&each); i++) {
        struct slice group;
        if (!params_id(transaction, each.value, "groups", &transaction->worker->scratch, &group))
            return false;
        if (named_before(groups, group, i))
            continue;
        if (i)
            buffer_append_byte(list, ',');
        json_append_string(list, group);
    }
    buffer_append_byte(list, ']');
    return true;
}

static void add_user(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"_id", "password", "force_reset", "groups", "take_over"};
    struct worker *worker = transaction->worker;
    struct slice user, password;
    struct buffer groups = {0};
    bool reset;
    struct addition *addition;
    if (params_object(transaction, data, keys) &&
        params_id(transaction, json_member(data, SLICE("_id")), "_id", &worker->scratch, &user) &&
        user_name_allowed(transaction, NOT_LISTED, user) &&
        password_read(transaction, data, "password", &password) &&
        params_boolean(transaction, json_member(data, SLICE("force_reset")), "force_reset", false, &reset) &&
        read_groups(transaction, json_member(data, SLICE("groups")), &groups) &&
        (addition = addition_create(transaction, sizeof(struct user_addition), COLLECTION_USERS,
                                    json_member(data, SLICE("take_over")), evaluate_user_addition))) {
        struct attempt *attempt = &addition->attempt;
        attempt->release = user_addition_release;
        attempt->user = memory_copy(user.data, user.length);
        user_addition_of(attempt)->groups = memory_copy(groups.data, groups.length);
        user_addition_of(attempt)->force_reset = reset;
        if (attempt_try(attempt))
            password_then_run(attempt, password);
    }
    buffer_free(&groups);
}

/* ---- remove_user ---- */

static bool may_remove(struct attempt *attempt, struct buffer *set, struct user_document *document)
{
    if (!attempt->caller || strcmp(attempt->caller, attempt->user) != 0)
        return user_to_manage(attempt, set, document);
    *document = (struct user_document){0};
    transaction_fail(attempt->transaction, ERROR_FORBIDDEN, "User cannot remove their own account");
    return false;
}

/* An administrator who can log in is left. False: answered. */
static bool may_go(struct attempt *attempt, const struct user_document *document, struct buffer *set)
{
    struct transaction *transaction = attempt->transaction;
    if (!user_in_group(document, slice_text(administrator_group)))
        return true;
    enum error_code code = user_set_keep_administrator(transaction->worker, set, slice_text(attempt->user));
    if (code == ERROR_NOT_FOUND)
        transaction_fail(transaction, ERROR_FORBIDDEN, "The last administrator cannot be removed");
    else if (code != ERROR_NONE)
        transaction_fail_unreadable(transaction, NULL);
    return code == ERROR_NONE;
}

static bool evaluate_removal(struct attempt *attempt, struct buffer *set)
{
    struct transaction *transaction = attempt->transaction;
    struct worker *worker = transaction->worker;
    struct slice user = slice_text(attempt->user);
    struct user_document document;
    attempt_begin(attempt, set, SLICE("null"));
    bool good = may_remove(attempt, set, &document);
    if (good) {
        good = may_go(attempt, &document, set);
    }
    if (good) {
        user_set_change(set, CHANGE_REMOVE, NO_FLAGS, COLLECTION_USERS, user, (int64_t)document.version,
                        (struct slice){0});
        good = user_set_assert_sessions(worker, set, user);
        user_set_change(set, CHANGE_REMOVE, CHANGE_SKIP_MISSING, COLLECTION_CREDENTIALS, user,
                        CHANGE_ANY_VERSION, (struct slice){0});
        good = good && user_set_remove_sessions(worker, set, user);
        if (!good)
            transaction_fail_unreadable(transaction, NULL);
    }
    user_free(&document);
    return good;
}

static void remove_user(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"_id"};
    struct slice user;
    if (!params_object(transaction, data, keys) ||
        !params_id(transaction, json_member(data, SLICE("_id")), "_id", &transaction->worker->scratch, &user))
        return;
    struct attempt *attempt = attempt_create(transaction, sizeof *attempt, evaluate_removal);
    attempt->user = memory_copy(user.data, user.length);
    attempt_run(attempt);
}

static const struct method methods[] = {
    {"add", ACCESS_OPTIONS, add_user, UNDECLARED},
    {"remove_user", ACCESS_OPTIONS, remove_user, UNDECLARED},
};

const struct method_table users_methods = {methods, sizeof methods / sizeof *methods};
