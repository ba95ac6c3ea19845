/* The methods of `groups` beside the reading ones. */

#include <stdlib.h>

#include "shared/memory.h"
#include "worker/authority/authority.h"
#include "worker/committer_link.h"
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

/* A change of a group on its way: the answer is the group as it then is. */
struct update {
    struct transaction *transaction;
    char *group;
};

static void updated(void *argument, const struct committer_result *result)
{
    struct update *update = argument;
    struct transaction *transaction = update->transaction;
    struct worker *worker = transaction->worker;
    struct store_record record;
    if (result->code != ERROR_NONE)
        transaction_fail(transaction, result->code, "%.*s", (int)result->text.length, result->text.data);
    else if (worker_snapshot(worker) &&
             store_get(worker->store, COLLECTION_GROUPS, slice_text(update->group), &record) == ERROR_NONE)
        transaction_fulfill(transaction, record.full, result->seq);
    else
        transaction_fulfill(transaction, SLICE("null"), result->seq);
    free(update->group);
    free(update);
}

static void commit_update(struct transaction *transaction, struct slice group, struct slice set)
{
    struct update *update = memory_zeroed(1, sizeof *update);
    enum error_code code;
    update->transaction = transaction;
    update->group = memory_copy(group.data, group.length);
    if (committer_link_submit(transaction->worker->link, set, updated, update, &code))
        return;
    free(update->group);
    free(update);
    transaction_fail(transaction, code, "The group cannot be changed now; try again");
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
        transaction_fail(transaction, ERROR_FORBIDDEN,
                         "The group %s has every permission and cannot be changed", administrator_group);
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
        commit_update(transaction, group, buffer_slice(&set));
    }
    buffer_free(&set);
    buffer_free(&patch);
}

static const struct method methods[] = {
    {"add", METHOD_OPTIONS, add, -1},
    {"update_permissions", METHOD_OPTIONS, update_permissions, METHOD_ANSWERS_AGAIN},
};

const struct method_table groups_methods = {methods, sizeof methods / sizeof *methods};
