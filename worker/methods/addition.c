#include "worker/methods/addition.h"

#include "shared/base/container_of.h"
#include "shared/store/former_name.h"
#include "worker/authority/user_sets.h"
#include "worker/rpc/params.h"

static const char *what_of(const struct addition *addition)
{
    return addition->collection == COLLECTION_USERS ? "User" : "Group";
}

static const char *name_of(const struct addition *addition)
{
    return addition->collection == COLLECTION_USERS ? addition->attempt.user : addition->attempt.group;
}

struct addition *addition_create(struct transaction *transaction, size_t bytes,
                                 enum builtin_collection collection, struct json_value take_over,
                                 bool (*evaluate)(struct attempt *attempt, struct buffer *set))
{
    bool wanted;
    if (!params_boolean(transaction, take_over, "take_over", false, &wanted))
        return NULL;
    struct addition *addition =
        CONTAINER_OF(attempt_create(transaction, bytes, evaluate), struct addition, attempt);
    addition->collection = collection;
    addition->take_over = wanted;
    return addition;
}

/* Nobody has the name now. False: answered. */
static bool check_free(const struct addition *addition)
{
    struct transaction *transaction = addition->attempt.transaction;
    struct store_record record;
    enum error_code code =
        store_get(transaction->worker->store, addition->collection, slice_text(name_of(addition)), &record);
    if (code == ERROR_NONE)
        transaction_fail(transaction, ERROR_EXISTS, "%s already exists", what_of(addition));
    else if (code != ERROR_NOT_FOUND)
        transaction_fail_unreadable(transaction, NULL);
    return code == ERROR_NOT_FOUND;
}

/* Nobody had it, or the caller takes it over. False: answered. */
static bool check_former(struct addition *addition)
{
    struct transaction *transaction = addition->attempt.transaction;
    uint64_t used;
    if (store_name_was_used(transaction->worker->store, addition->collection, slice_text(name_of(addition)),
                            &used) != ERROR_NONE) {
        transaction_fail_unreadable(transaction, NULL);
        return false;
    }
    addition->takes_over = used && addition->take_over;
    if (used && !addition->take_over)
        transaction_fail(transaction, ERROR_EXISTS,
                         "%s was removed, and documents may still name it; an administrator can reuse the "
                         "name with take_over",
                         what_of(addition));
    return !used || addition->take_over;
}

bool addition_begin(struct addition *addition, struct buffer *set, struct slice answer)
{
    struct attempt *attempt = &addition->attempt;
    struct buffer taken = {0};
    if (!check_free(addition) || !check_former(addition))
        return false;
    if (addition->takes_over) {
        buffer_append_text(&taken, "{\"_id\":");
        json_append_string(&taken, slice_text(name_of(addition)));
        buffer_append_text(&taken, ",\"took_over\":true}");
        answer = buffer_slice(&taken);
    }
    attempt_begin(attempt, set, answer);
    buffer_free(&taken);
    if (!addition->take_over || attempt_needs_administrator(attempt, set))
        return true;
    transaction_fail(attempt->transaction, ERROR_FORBIDDEN,
                     "Only administrators may allow a name to be taken over");
    return false;
}

void addition_insert(const struct addition *addition, struct buffer *set, struct slice body)
{
    user_set_change(set, CHANGE_INSERT, addition->takes_over ? CHANGE_TAKE_OVER : NO_FLAGS,
                    addition->collection, slice_text(name_of(addition)), CHANGE_ANY_VERSION, body);
}
