#include "worker/rpc/client_position.h"

#include "shared/store/history.h"
#include "worker/base/worker.h"
#include "worker/rpc/params.h"

/** -1: absent, or null. False: answered. */
static bool read_number(struct transaction *transaction, struct json_value data, const char *key,
                        int64_t *number)
{
    struct json_value value = json_member(data, slice_text(key));
    *number = -1;
    return json_type(value) <= JSON_NULL || params_integer(transaction, value, key, 0, INT64_MAX, -1, number);
}

bool client_position_read(struct transaction *transaction, struct json_value data, struct position *position)
{
    int64_t epoch, seq, unfinished;
    if (!read_number(transaction, data, "epoch", &epoch) || !read_number(transaction, data, "seq", &seq) ||
        !read_number(transaction, data, "unfinished", &unfinished))
        return false;
    if ((epoch < 0) != (seq < 0)) {
        transaction_fail(transaction, ERROR_INVALID, "%s: expected an integer, as %s is given, found nothing",
                         epoch < 0 ? "epoch" : "seq", epoch < 0 ? "seq" : "epoch");
        return false;
    }
    *position = (struct position){.given = epoch >= 0,
                                  .epoch = (uint64_t)epoch,
                                  .seq = (uint64_t)seq,
                                  .unfinished = unfinished >= 0,
                                  .unfinished_epoch = (uint64_t)unfinished};
    return true;
}

enum error_code client_position_holds(struct worker *worker, const struct position *position, bool *holds)
{
    *holds = !position->unfinished || position->unfinished_epoch == store_epoch(worker->store);
    if (!*holds || !position->given)
        return ERROR_NONE;
    return store_history_holds(worker->store, position->epoch, position->seq, holds);
}
