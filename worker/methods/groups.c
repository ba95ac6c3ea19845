/* The methods of `groups` beside the reading ones. */

#include "worker/authority/authority.h"
#include "worker/rpc/method.h"
#include "worker/rpc/params.h"

static void add(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"_id"};
    struct worker *worker = transaction->worker;
    struct slice group;
    if (!params_object(transaction, data, keys, 1) ||
        !params_id(transaction, json_member(data, SLICE("_id")), "_id", &worker->scratch, &group))
        return;
    struct buffer set = {0}, answer = {0};
    json_append_string(&answer, group);
    transaction_begin_set(transaction, &set, ANSWER_LITERAL, buffer_slice(&answer));
    struct change change = {
        .operation = CHANGE_INSERT,
        .version = CHANGE_ANY_VERSION,
        .collection = SLICE("groups"),
        .id = group,
        .body = SLICE("{\"permissions\":{}}"),
    };
    change_set_add(&set, &change);
    transaction_commit(transaction, &set);
    buffer_free(&set);
    buffer_free(&answer);
}

/* The merge patch that gives and takes the named permissions. False: answered. */
static bool read_permissions(struct transaction *transaction, struct json_value permissions, struct buffer *patch)
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

static void update_permissions(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"_id", "permissions"};
    struct worker *worker = transaction->worker;
    struct slice group;
    struct buffer patch = {0}, set = {0};
    if (!params_object(transaction, data, keys, 2) ||
        !params_id(transaction, json_member(data, SLICE("_id")), "_id", &worker->scratch, &group))
        return;
    if (slice_equal(group, slice_text(administrator_group))) {
        transaction_fail(transaction, ERROR_FORBIDDEN, "The group %s has every permission and cannot be changed",
                         administrator_group);
        return;
    }
    if (read_permissions(transaction, json_member(data, SLICE("permissions")), &patch)) {
        transaction_begin_set(transaction, &set, ANSWER_ID_VERSION, (struct slice){0});
        struct change change = {
            .operation = CHANGE_MERGE,
            .version = CHANGE_ANY_VERSION,
            .collection = SLICE("groups"),
            .id = group,
            .body = buffer_slice(&patch),
        };
        change_set_add(&set, &change);
        transaction_commit(transaction, &set);
    }
    buffer_free(&set);
    buffer_free(&patch);
}

static const struct method methods[] = {
    {"add", METHOD_OPTIONS, add, -1},
    {"update_permissions", METHOD_OPTIONS, update_permissions, -1},
};

const struct method_table groups_methods = {methods, sizeof methods / sizeof *methods};
