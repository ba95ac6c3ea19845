#include "worker/rpc/once.h"

#include <stdio.h>

#include "shared/base/clock.h"
#include "shared/store/store_once.h"
#include "worker/rpc/method.h"

enum { NAME_BYTES = COLLECTION_NAME_BYTES + 64 };

static struct slice method_name(const struct transaction *transaction, char name[NAME_BYTES])
{
    int length = snprintf(name, NAME_BYTES, "%s.%s", transaction_collection_name(transaction),
                          transaction->method->name);
    return slice_of(name, (size_t)length);
}

bool once_answer_again(struct transaction *transaction, struct slice user)
{
    char name[NAME_BYTES];
    struct slice answer;
    uint64_t seq;
    if (!transaction->once.data || !user.data ||
        !store_once_get(transaction->worker->store, user, method_name(transaction, name), transaction->once,
                        clock_wall_ms(), &answer, &seq))
        return false;
    transaction_fulfill(transaction, answer, seq);
    return true;
}

void once_remember(const struct transaction *transaction, struct slice user, struct buffer *set)
{
    char name[NAME_BYTES];
    if (!transaction->once.data || !user.data)
        return;
    uint64_t kept_ms = transaction->worker->config->once_hours * 3600000;
    struct change once = {
        .operation = CHANGE_ONCE,
        .version = (int64_t)(clock_wall_ms() + kept_ms),
        .collection = method_name(transaction, name),
        .id = transaction->once,
        .body = user,
    };
    change_set_add(set, &once);
}
