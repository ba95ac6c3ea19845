/* users.set, with_password: for dispatchctl, over the control socket only. */

#include <stdlib.h>

#include "shared/base/container_of.h"
#include "shared/base/memory.h"
#include "worker/authority/authority.h"
#include "worker/authority/user_sets.h"
#include "worker/base/snapshot.h"
#include "worker/methods/attempt.h"
#include "worker/methods/user_answers.h"
#include "worker/rpc/error_texts.h"
#include "worker/rpc/method.h"
#include "worker/rpc/params.h"

/* ---- set: all of it or nothing ---- */

struct management {
    struct attempt attempt;
    char *groups; /* {group: whether the user is to be a member} */
    enum { RESET_STAYS, RESET_FORCED, RESET_NOT_FORCED } reset;
};

static struct management *management_of(struct attempt *attempt)
{
    return CONTAINER_OF(attempt, struct management, attempt);
}

static void management_release(struct attempt *attempt)
{
    memory_release_text(management_of(attempt)->groups);
    free(management_of(attempt));
}

/* Each named group must be there, and still be when the set is applied. False: answered. */
static bool assert_groups(struct attempt *attempt, struct buffer *set, struct json_value groups)
{
    struct transaction *transaction = attempt->transaction;
    struct json_iterator each = json_begin(groups);
    while (json_step(&each)) {
        struct buffer scratch = {0};
        struct slice name = json_string(each.key, &scratch);
        uint64_t version;
        enum error_code code = user_group_get(transaction->worker, name, &version);
        if (code == ERROR_NONE)
            user_set_assert(set, COLLECTION_GROUPS, name, version);
        else if (code == ERROR_NOT_FOUND)
            transaction_fail(transaction, code, "Group %.*s does not exist", (int)name.length, name.data);
        else
            transaction_fail_unreadable(transaction, NULL);
        buffer_free(&scratch);
        if (code != ERROR_NONE)
            return false;
    }
    return true;
}

/* Whether the user is to be in @group, of which nothing may have been said. */
static bool is_wanted(struct json_value groups, struct slice group, bool otherwise)
{
    bool member;
    return json_boolean(json_member(groups, group), &member) ? member : otherwise;
}

/* The groups that the user is in, without those it leaves, then those it comes into; returns how many. */
static size_t append_groups(struct buffer *out, const struct user_document *user, struct json_value groups)
{
    struct json_iterator each = json_begin(json_member(user->root, SLICE("groups")));
    size_t count = 0;
    buffer_append_byte(out, '[');
    while (json_step(&each)) {
        struct buffer scratch = {0};
        if (is_wanted(groups, json_string(each.value, &scratch), true)) {
            buffer_append_text(out, count++ ? "," : "");
            json_append_compact(out, each.value);
        }
        buffer_free(&scratch);
    }
    each = json_begin(groups);
    while (json_step(&each)) {
        struct buffer scratch = {0};
        struct slice name = json_string(each.key, &scratch);
        bool member;
        if (json_boolean(each.value, &member) && member && !user_in_group(user, name)) {
            buffer_append_text(out, count++ ? "," : "");
            json_append_string(out, name);
        }
        buffer_free(&scratch);
    }
    buffer_append_byte(out, ']');
    return count;
}

/* An administrator who can log in is left. False: answered. */
static bool keep_administrator(struct attempt *attempt, struct buffer *set, const struct user_document *user,
                               struct json_value groups)
{
    struct transaction *transaction = attempt->transaction;
    struct slice group = slice_text(administrator_group);
    if (!user_in_group(user, group) || is_wanted(groups, group, true))
        return true;
    enum error_code code = user_set_keep_administrator(transaction->worker, set, slice_text(attempt->user));
    if (code == ERROR_NOT_FOUND)
        transaction_fail(transaction, ERROR_FORBIDDEN,
                         "The last administrator cannot be removed from the group");
    else if (code != ERROR_NONE)
        transaction_fail_unreadable(transaction, NULL);
    return code == ERROR_NONE;
}

static bool loses_primary(const struct user_document *user, struct json_value groups)
{
    struct buffer scratch = {0};
    struct slice primary = json_string(json_member(user->root, SLICE("primary_group")), &scratch);
    bool loses = primary.data && !is_wanted(groups, primary, true);
    buffer_free(&scratch);
    return loses;
}

/* One patch of the user. False: answered. */
static bool put_user(struct attempt *attempt, struct buffer *set, const struct user_document *user,
                     struct json_value groups)
{
    struct buffer body = {0};
    buffer_append_text(&body, "[{\"op\":\"add\",\"path\":\"/groups\",\"value\":");
    size_t count = append_groups(&body, user, groups);
    if (loses_primary(user, groups))
        buffer_append_text(&body, "},{\"op\":\"add\",\"path\":\"/primary_group\",\"value\":null");
    if (management_of(attempt)->reset != RESET_STAYS)
        buffer_append_format(&body, "},{\"op\":\"add\",\"path\":\"/force_reset\",\"value\":%s",
                             management_of(attempt)->reset == RESET_FORCED ? "true" : "false");
    buffer_append_text(&body, "}]");
    bool fits = count <= USER_GROUPS_MOST;
    if (fits)
        user_set_change(set, CHANGE_PATCH, NO_FLAGS, COLLECTION_USERS, slice_text(attempt->user),
                        (int64_t)user->version, buffer_slice(&body));
    else
        transaction_fail(attempt->transaction, ERROR_TOO_LARGE, "A user may be in at most %d groups",
                         USER_GROUPS_MOST);
    buffer_free(&body);
    return fits;
}

/* As users.set_force_reset has it. False: answered. */
static bool end_sessions(struct attempt *attempt, struct buffer *set)
{
    struct worker *worker = attempt->transaction->worker;
    struct slice user = slice_text(attempt->user);
    if (management_of(attempt)->reset == RESET_STAYS)
        return true;
    if (user_set_assert_sessions(worker, set, user) && user_set_end_sessions(worker, set, user))
        return true;
    transaction_fail_unreadable(attempt->transaction, NULL);
    return false;
}

static bool evaluate_management(struct attempt *attempt, struct buffer *set)
{
    const char *text = management_of(attempt)->groups;
    struct json json = {0};
    struct user_document user;
    enum error_code code =
        user_get(attempt->transaction->worker, COLLECTION_USERS, slice_text(attempt->user), &user);
    bool good = code == ERROR_NONE;
    if (!good)
        user_fail(attempt->transaction, code, text_user_missing);
    if (good && json_parse(&json, text, strlen(text))) {
        struct json_value groups = json_root(&json);
        attempt_begin(attempt, set, SLICE("null"));
        good = assert_groups(attempt, set, groups) && keep_administrator(attempt, set, &user, groups) &&
               put_user(attempt, set, &user, groups) && end_sessions(attempt, set);
    }
    json_free(&json);
    user_free(&user);
    return good;
}

/* False: answered. */
static bool check_memberships(struct transaction *transaction, struct json_value groups)
{
    struct json_iterator each = json_begin(groups);
    bool member;
    if (json_type(groups) > JSON_NULL && json_type(groups) != JSON_OBJECT) {
        transaction_fail(transaction, ERROR_INVALID, "groups: expected {name: true or false}, found %s",
                         json_type_name(json_type(groups)));
        return false;
    }
    while (json_step(&each)) {
        if (json_boolean(each.value, &member))
            continue;
        transaction_fail(transaction, ERROR_INVALID, "groups: expected true or false for each, found %s",
                         json_type_name(json_type(each.value)));
        return false;
    }
    return true;
}

static void set_user(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"_id", "groups", "force_reset"};
    struct json_value groups = json_member(data, SLICE("groups")),
                      reset = json_member(data, SLICE("force_reset"));
    struct slice user;
    bool forced;
    if (!params_object(transaction, data, keys) ||
        !params_id(transaction, json_member(data, SLICE("_id")), "_id", &transaction->worker->scratch,
                   &user) ||
        !params_boolean(transaction, reset, "force_reset", false, &forced) ||
        !check_memberships(transaction, groups))
        return;
    struct attempt *attempt = attempt_create(transaction, sizeof(struct management), evaluate_management);
    struct management *management = management_of(attempt);
    struct slice text = json_type(groups) == JSON_OBJECT ? json_text(groups) : SLICE("{}");
    attempt->release = management_release;
    attempt->user = memory_copy(user.data, user.length);
    management->groups = memory_copy(text.data, text.length);
    if (json_type(reset) > JSON_NULL)
        management->reset = forced ? RESET_FORCED : RESET_NOT_FORCED;
    attempt_run(attempt);
}

/* ---- with_password: who of these users has one ---- */

enum { ASKED_MOST = 1000 };

static enum error_code append_with_password(struct worker *worker, struct json_value ids, struct buffer *out)
{
    struct json_iterator each = json_begin(ids);
    bool first = true;
    while (json_step(&each)) {
        struct store_record record;
        struct buffer scratch = {0};
        struct slice id = json_string(each.value, &scratch);
        enum error_code code =
            id.data ? store_get(worker->store, COLLECTION_CREDENTIALS, id, &record) : ERROR_NOT_FOUND;
        work_charge(&worker->work, WORK_LOOKUP);
        if (code == ERROR_NONE) {
            buffer_append_text(out, first ? "" : ",");
            json_append_string(out, id);
            first = false;
        }
        buffer_free(&scratch);
        if (code != ERROR_NONE && code != ERROR_NOT_FOUND)
            return code;
    }
    return ERROR_NONE;
}

static void list_with_password(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"ids"};
    struct json_value ids = json_member(data, SLICE("ids"));
    struct buffer out = {0};
    if (!params_object(transaction, data, keys))
        return;
    if (json_type(ids) != JSON_ARRAY || json_count(ids) > ASKED_MOST) {
        transaction_fail(transaction, ERROR_INVALID, "ids: expected a list of up to %d", ASKED_MOST);
        return;
    }
    buffer_append_byte(&out, '[');
    bool known = snapshot_take(transaction->worker) &&
                 append_with_password(transaction->worker, ids, &out) == ERROR_NONE;
    buffer_append_byte(&out, ']');
    if (known)
        transaction_fulfill(transaction, buffer_slice(&out), 0);
    else
        transaction_fail_unreadable(transaction, NULL);
    buffer_free(&out);
}

static const struct method methods[] = {
    {"set", ACCESS_CONTROL, set_user, UNDECLARED},
    {"with_password", ACCESS_CONTROL, list_with_password, UNDECLARED},
};

const struct method_table user_management_methods = {methods, sizeof methods / sizeof *methods};
