/* The methods of `groups` beside the reading ones. */

#include <stdlib.h>

#include "shared/base/container_of.h"
#include "shared/base/memory.h"
#include "shared/json/compare.h"
#include "shared/json/merge_patch.h"
#include "worker/authority/authority.h"
#include "worker/authority/user_sets.h"
#include "worker/methods/addition.h"
#include "worker/methods/attempt.h"
#include "worker/methods/user_answers.h"
#include "worker/rpc/error_texts.h"
#include "worker/rpc/method.h"
#include "worker/rpc/params.h"

/* ---- permissions ---- */

/* The merge patch that gives and takes the named permissions. False: answered. */
static bool read_permissions(struct transaction *transaction, struct json_value permissions,
                             struct buffer *patch)
{
    const struct config *config = transaction->worker->config;
    if (json_type(permissions) != JSON_OBJECT) {
        transaction_fail(transaction, ERROR_INVALID, "permissions: expected {name: true or false}, found %s",
                         json_type_name(json_type(permissions)));
        return false;
    }
    buffer_append_slice(patch, SLICE("{\"permissions\":{"));
    struct json_iterator each = json_begin(permissions);
    bool first = true;
    while (json_step(&each)) {
        struct slice name = json_string(each.key, &transaction->worker->scratch);
        bool granted;
        if (config_permission(config, name) < 0) {
            transaction_fail(transaction, ERROR_INVALID, "permissions: there is no permission %.*s",
                             (int)name.length, name.data);
            return false;
        }
        if (!json_boolean(each.value, &granted)) {
            transaction_fail(transaction, ERROR_INVALID, "permissions.%.*s: expected true or false, found %s",
                             (int)name.length, name.data, json_type_name(json_type(each.value)));
            return false;
        }
        if (!first)
            buffer_append_byte(patch, ',');
        first = false;
        json_append_string(patch, name);
        buffer_append_text(patch, granted ? ":true" : ":null");
    }
    buffer_append_slice(patch, SLICE("}}"));
    return true;
}

/* ---- add ---- */

struct group_addition {
    struct addition addition;
    char *body; /* of the new group */
};

static struct group_addition *group_addition_of(struct attempt *attempt)
{
    return CONTAINER_OF(attempt, struct group_addition, addition.attempt);
}

static void group_addition_release(struct attempt *attempt)
{
    memory_release_text(group_addition_of(attempt)->body);
    free(group_addition_of(attempt));
}

static bool evaluate_group_addition(struct attempt *attempt, struct buffer *set)
{
    struct group_addition *addition = group_addition_of(attempt);
    struct buffer answer = {0};
    json_append_string(&answer, slice_text(attempt->group));
    bool good = addition_begin(&addition->addition, set, buffer_slice(&answer));
    if (good)
        addition_insert(&addition->addition, set, slice_text(addition->body));
    buffer_free(&answer);
    return good;
}

/* The new group: with the permissions that it is given. False: answered. */
static bool compose_group(struct transaction *transaction, struct json_value permissions, struct buffer *body)
{
    static const char bare[] = "{\"permissions\":{}}";
    struct buffer patch = {0};
    struct json group = {0}, changes = {0};
    bool good = true;
    if (json_type(permissions) <= JSON_NULL)
        buffer_append_text(body, bare);
    else if ((good = read_permissions(transaction, permissions, &patch)) &&
             json_parse(&group, bare, sizeof bare - 1) && json_parse(&changes, patch.data, patch.length))
        json_merge_patch(body, json_root(&group), json_root(&changes));
    json_free(&group);
    json_free(&changes);
    buffer_free(&patch);
    return good;
}

static void add_group(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"_id", "permissions", "take_over"};
    struct slice group;
    struct buffer body = {0}, id = {0};
    struct addition *addition;
    if (params_object(transaction, data, keys) &&
        params_id(transaction, json_member(data, SLICE("_id")), "_id", &id, &group) &&
        compose_group(transaction, json_member(data, SLICE("permissions")), &body) &&
        (addition = addition_create(transaction, sizeof(struct group_addition), COLLECTION_GROUPS,
                                    json_member(data, SLICE("take_over")), evaluate_group_addition))) {
        struct attempt *attempt = &addition->attempt;
        attempt->release = group_addition_release;
        attempt->group = memory_copy(group.data, group.length);
        group_addition_of(attempt)->body = memory_copy(body.data, body.length);
        attempt_run(attempt);
    }
    buffer_free(&body);
    buffer_free(&id);
}

/* ---- update_permissions ---- */

struct permission_update {
    struct attempt attempt;
    char *patch; /* merge patch of the group */
};

static void permission_update_release(struct attempt *attempt)
{
    struct permission_update *update = CONTAINER_OF(attempt, struct permission_update, attempt);
    memory_release_text(update->patch);
    free(update);
}

/* The group as it will be: with its next version, if the patch changes anything. */
static void append_changed(struct buffer *out, const struct user_document *group, struct json_value patch)
{
    struct buffer text = {0};
    struct json json = {0};
    struct user_document head = {0};
    json_merge_patch(&text, group->root, patch);
    bool same = json_parse(&json, text.data, text.length) && json_equal(json_root(&json), group->root);
    if (!same) {
        struct buffer version = {0};
        buffer_append_format(&version, "{\"_version\":%llu}", (unsigned long long)group->version + 1);
        if (json_parse(&head.json, version.data, version.length))
            json_merge_patch(out, json_root(&json), json_root(&head.json));
        buffer_free(&version);
    } else {
        buffer_append_slice(out, buffer_slice(&text));
    }
    user_free(&head);
    json_free(&json);
    buffer_free(&text);
}

static void fill_update(struct attempt *attempt, const struct user_document *group, struct buffer *set)
{
    struct json patch = {0};
    struct buffer answer = {0};
    struct slice text = slice_text(CONTAINER_OF(attempt, struct permission_update, attempt)->patch);
    if (json_parse(&patch, text.data, text.length))
        append_changed(&answer, group, json_root(&patch));
    attempt_begin(attempt, set, buffer_slice(&answer));
    user_set_change(set, CHANGE_MERGE, NO_FLAGS, COLLECTION_GROUPS, slice_text(attempt->group),
                    (int64_t)group->version, text);
    buffer_free(&answer);
    json_free(&patch);
}

static bool evaluate_update(struct attempt *attempt, struct buffer *set)
{
    struct transaction *transaction = attempt->transaction;
    struct user_document group;
    enum error_code code =
        user_get(transaction->worker, COLLECTION_GROUPS, slice_text(attempt->group), &group);
    if (code == ERROR_NONE)
        fill_update(attempt, &group, set);
    else
        user_fail(transaction, code, text_group_missing);
    user_free(&group);
    return code == ERROR_NONE;
}

static void update_permissions(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"_id", "permissions"};
    struct slice group;
    struct buffer patch = {0};
    if (!params_object(transaction, data, keys) || !params_id(transaction, json_member(data, SLICE("_id")),
                                                              "_id", &transaction->worker->scratch, &group))
        return;
    if (user_is_administrator_group(group)) {
        transaction_fail(transaction, ERROR_FORBIDDEN,
                         "The group %s has every permission and cannot be changed", administrator_group);
        return;
    }
    if (read_permissions(transaction, json_member(data, SLICE("permissions")), &patch)) {
        struct attempt *attempt =
            attempt_create(transaction, sizeof(struct permission_update), evaluate_update);
        attempt->release = permission_update_release;
        attempt->group = memory_copy(group.data, group.length);
        CONTAINER_OF(attempt, struct permission_update, attempt)->patch =
            memory_copy(patch.data, patch.length);
        attempt_run(attempt);
    }
    buffer_free(&patch);
}

static const struct method methods[] = {
    {"add", ACCESS_OPTIONS, add_group, UNDECLARED},
    {"update_permissions", ACCESS_OPTIONS, update_permissions, UNDECLARED},
};

const struct method_table groups_methods = {methods, sizeof methods / sizeof *methods};
