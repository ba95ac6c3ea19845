/*
 * groups.remove_group: members first, the group last, so that nobody keeps the id of a group that is gone
 * (and would be in a later group of that name). The group is marked "removing" to begin with: who adds a
 * member asserts the version of a group without that mark, so from there on there are only fewer. Each step
 * is one bounded set; when the server ends in the middle, the same call goes on where it stopped.
 */

#include "shared/base/container_of.h"
#include "shared/base/memory.h"
#include "worker/authority/authority.h"
#include "worker/authority/lookup.h"
#include "worker/authority/user_sets.h"
#include "worker/methods/attempt.h"
#include "worker/methods/user_answers.h"
#include "worker/rpc/error_texts.h"
#include "worker/rpc/method.h"
#include "worker/rpc/params.h"

enum { MEMBERS_AT_ONCE = 64 };

struct group_removal {
    struct attempt attempt;
    bool last; /* the set that is on its way removes the group */
};

static struct group_removal *group_removal_of(struct attempt *attempt)
{
    return CONTAINER_OF(attempt, struct group_removal, attempt);
}

struct sweep {
    const struct attempt *attempt;
    struct buffer *set;
    unsigned left; /* how many more this step takes */
    unsigned count;
};

static bool sweep_one(void *argument, struct slice id, struct json_value root, uint64_t version)
{
    struct sweep *sweep = argument;
    struct slice group = slice_text(sweep->attempt->group);
    struct user_document document = {.root = root};
    struct buffer groups = {0};
    user_append_groups(&groups, &document, group, (struct slice){0});
    user_set_groups(sweep->set, id, version, buffer_slice(&groups), user_has_primary(&document, group));
    buffer_free(&groups);
    sweep->count++;
    return --sweep->left > 0;
}

/* A set that was refused because one of the members changed is tried again with
 * one of them. False: who is a member cannot be read; answered. */
static bool next_step(struct attempt *attempt, const struct user_document *group, struct buffer *set)
{
    struct slice id = slice_text(attempt->group);
    struct sweep sweep = {attempt, set, attempt->tries ? 1 : MEMBERS_AT_ONCE, 0};
    if (json_type(json_member(group->root, SLICE("removing"))) == JSON_NONE) {
        transaction_begin_step(attempt->transaction, set);
        user_set_change(set, CHANGE_MERGE, NO_FLAGS, COLLECTION_GROUPS, id, (int64_t)group->version,
                        SLICE("{\"removing\":true}"));
        return true;
    }
    transaction_begin_step(attempt->transaction, set);
    if (!lookup(attempt->transaction->worker, COLLECTION_USERS, "groups", id, sweep_one, &sweep)) {
        transaction_fail_unreadable(attempt->transaction, NULL);
        return false;
    }
    group_removal_of(attempt)->last = sweep.count == 0;
    if (sweep.count > 0)
        return true;
    buffer_clear(set);
    attempt_begin(attempt, set, SLICE("null"));
    user_set_change(set, CHANGE_REMOVE, NO_FLAGS, COLLECTION_GROUPS, id, (int64_t)group->version,
                    (struct slice){0});
    return true;
}

static bool group_removal_evaluate(struct attempt *attempt, struct buffer *set)
{
    struct transaction *transaction = attempt->transaction;
    struct user_document group;
    enum error_code code =
        user_get(transaction->worker, COLLECTION_GROUPS, slice_text(attempt->group), &group);
    bool good = code == ERROR_NONE && next_step(attempt, &group, set);
    if (code != ERROR_NONE)
        user_fail(transaction, code, text_group_missing);
    user_free(&group);
    return good;
}

static bool group_removal_done(struct attempt *attempt, const struct committer_result *result)
{
    if (group_removal_of(attempt)->last) {
        transaction_fulfill(attempt->transaction, result->text, result->seq);
        return false;
    }
    attempt->tries = 0;
    attempt_run(attempt);
    return true;
}

static void remove_group(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"_id"};
    struct slice group;
    if (!params_object(transaction, data, keys) || !params_id(transaction, json_member(data, SLICE("_id")),
                                                              "_id", &transaction->worker->scratch, &group))
        return;
    if (user_is_administrator_group(group)) {
        transaction_fail(transaction, ERROR_FORBIDDEN, "The group %s cannot be removed", administrator_group);
        return;
    }
    struct attempt *attempt =
        attempt_create(transaction, sizeof(struct group_removal), group_removal_evaluate);
    attempt->done = group_removal_done;
    attempt->group = memory_copy(group.data, group.length);
    attempt_run(attempt);
}

static const struct method methods[] = {
    {"remove_group", ACCESS_OPTIONS, remove_group, UNDECLARED},
};

const struct method_table group_removal_methods = {methods, sizeof methods / sizeof *methods};
