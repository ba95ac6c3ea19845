/* users.set_group, set_primary_group: which groups a user is in. */

#include "shared/base/container_of.h"
#include "shared/base/memory.h"
#include "worker/authority/authority.h"
#include "worker/authority/user_sets.h"
#include "worker/methods/attempt.h"
#include "worker/methods/user_answers.h"
#include "worker/rpc/error_texts.h"
#include "worker/rpc/method.h"
#include "worker/rpc/params.h"

/* ---- set_group ---- */

struct membership {
    struct attempt attempt;
    enum { TOGGLE, LEAVE, JOIN } wanted;
};

/* Who is an administrator is for administrators to say, and one is always left. False: answered. */
static bool may_set_administrator(struct attempt *attempt, struct buffer *set, bool is, bool member)
{
    struct transaction *transaction = attempt->transaction;
    if (!attempt_needs_administrator(attempt, set)) {
        transaction_fail(transaction, ERROR_FORBIDDEN,
                         "Only administrators may change who is in the group %s", administrator_group);
        return false;
    }
    if (!is || member)
        return true;
    if (attempt->caller && strcmp(attempt->caller, attempt->user) == 0) {
        transaction_fail(transaction, ERROR_FORBIDDEN,
                         "Administrators cannot remove themselves from the administrator group");
        return false;
    }
    enum error_code code = user_set_keep_administrator(transaction->worker, set, slice_text(attempt->user));
    if (code == ERROR_NOT_FOUND)
        transaction_fail(transaction, ERROR_FORBIDDEN,
                         "The last administrator cannot be removed from the group");
    else if (code != ERROR_NONE)
        transaction_fail_unreadable(transaction, NULL);
    return code == ERROR_NONE;
}

static bool user_groups_has_room(struct transaction *transaction, const struct user_document *document)
{
    if (json_count(json_member(document->root, SLICE("groups"))) < USER_GROUPS_MOST)
        return true;
    transaction_fail(transaction, ERROR_TOO_LARGE, "A user may be in at most %d groups", USER_GROUPS_MOST);
    return false;
}

/* The set, with the groups that come of it as its answer. False: answered. */
static bool fill_group_set(struct attempt *attempt, const struct user_document *document,
                           uint64_t group_version, struct buffer *set)
{
    struct slice user = slice_text(attempt->user), group = slice_text(attempt->group);
    bool is = user_in_group(document, group);
    const struct membership *membership = CONTAINER_OF(attempt, struct membership, attempt);
    bool member = membership->wanted == TOGGLE ? !is : membership->wanted == JOIN;
    if (member && !is && !user_groups_has_room(attempt->transaction, document))
        return false;
    struct buffer groups = {0};
    if (is && member)
        json_append_compact(&groups, json_member(document->root, SLICE("groups")));
    else
        user_append_groups(&groups, document, group, member ? group : (struct slice){0});
    attempt_begin(attempt, set, buffer_slice(&groups));
    bool good = !user_is_administrator_group(group) || may_set_administrator(attempt, set, is, member);
    if (good) {
        user_set_assert(set, COLLECTION_GROUPS, group, group_version);
        user_set_groups(set, user, document->version, buffer_slice(&groups),
                        !member && user_has_primary(document, group));
    }
    buffer_free(&groups);
    return good;
}

static bool evaluate_group(struct attempt *attempt, struct buffer *set)
{
    struct transaction *transaction = attempt->transaction;
    struct user_document document;
    uint64_t group_version = 0;
    const char *missing = text_user_missing;
    enum error_code code =
        user_get(transaction->worker, COLLECTION_USERS, slice_text(attempt->user), &document);
    if (code == ERROR_NONE) {
        missing = text_group_missing;
        code = user_group_get(transaction->worker, slice_text(attempt->group), &group_version);
    }
    bool good = code == ERROR_NONE && fill_group_set(attempt, &document, group_version, set);
    if (code != ERROR_NONE)
        user_fail(transaction, code, missing);
    user_free(&document);
    return good;
}

static void set_group(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"user_id", "group_id", "member"};
    struct buffer *scratch = &transaction->worker->scratch;
    struct slice user, group;
    bool member;
    if (!params_object(transaction, data, keys) ||
        !params_id(transaction, json_member(data, SLICE("user_id")), "user_id", scratch, &user) ||
        !params_id(transaction, json_member(data, SLICE("group_id")), "group_id", scratch, &group) ||
        !params_boolean(transaction, json_member(data, SLICE("member")), "member", false, &member))
        return;
    struct attempt *attempt = attempt_create(transaction, sizeof(struct membership), evaluate_group);
    attempt->user = memory_copy(user.data, user.length);
    attempt->group = memory_copy(group.data, group.length);
    if (json_type(json_member(data, SLICE("member"))) != JSON_NONE)
        CONTAINER_OF(attempt, struct membership, attempt)->wanted = member ? JOIN : LEAVE;
    attempt_run(attempt);
}

/* ---- set_primary_group: ->group is NULL for none ---- */

static bool may_be_primary(struct attempt *attempt, const struct user_document *document)
{
    struct transaction *transaction = attempt->transaction;
    struct slice group = slice_text(attempt->group);
    uint64_t version;
    if (!attempt->group)
        return true;
    enum error_code code = user_group_get(transaction->worker, group, &version);
    if (code != ERROR_NONE) {
        user_fail(transaction, code, text_group_missing);
        return false;
    }
    if (user_in_group(document, group))
        return true;
    transaction_fail(transaction, ERROR_INVALID, "group_id: expected a group that the user is in");
    return false;
}

static void put_primary(struct buffer *set, struct slice user, uint64_t version, const char *group)
{
    struct buffer body = {0};
    buffer_append_text(&body, "[{\"op\":\"add\",\"path\":\"/primary_group\",\"value\":");
    if (group)
        json_append_string(&body, slice_text(group));
    else
        buffer_append_text(&body, "null");
    buffer_append_text(&body, "}]");
    user_set_change(set, CHANGE_PATCH, NO_FLAGS, COLLECTION_USERS, user, (int64_t)version,
                    buffer_slice(&body));
    buffer_free(&body);
}

/* That the user is in the group rests on the user's version. */
static bool evaluate_primary(struct attempt *attempt, struct buffer *set)
{
    struct transaction *transaction = attempt->transaction;
    struct slice user = slice_text(attempt->user);
    struct user_document document;
    enum error_code code = user_get(transaction->worker, COLLECTION_USERS, user, &document);
    bool good = code == ERROR_NONE && may_be_primary(attempt, &document);
    if (code != ERROR_NONE)
        user_fail(transaction, code, text_user_missing);
    if (good) {
        attempt_begin(attempt, set, SLICE("null"));
        put_primary(set, user, document.version, attempt->group);
    }
    user_free(&document);
    return good;
}

static void set_primary_group(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"_id", "group_id"};
    struct buffer *scratch = &transaction->worker->scratch;
    struct json_value value = json_member(data, SLICE("group_id"));
    struct slice user, group = {0};
    if (!params_object(transaction, data, keys) ||
        !params_id(transaction, json_member(data, SLICE("_id")), "_id", scratch, &user) ||
        (json_type(value) != JSON_NULL && !params_id(transaction, value, "group_id", scratch, &group)))
        return;
    struct attempt *attempt = attempt_create(transaction, sizeof *attempt, evaluate_primary);
    attempt->user = memory_copy(user.data, user.length);
    attempt->group = group.data ? memory_copy(group.data, group.length) : NULL;
    attempt_run(attempt);
}

static const struct method methods[] = {
    {"set_group", ACCESS_OPTIONS, set_group, UNDECLARED},
    {"set_primary_group", ACCESS_OPTIONS, set_primary_group, UNDECLARED},
};

const struct method_table user_group_methods = {methods, sizeof methods / sizeof *methods};
