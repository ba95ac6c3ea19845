#ifndef WORKER_RPC_CLIENT_POSITION_H
#define WORKER_RPC_CLIENT_POSITION_H

#include "shared/json/json.h"
#include "worker/rpc/transaction.h"

/*
 * Where a client says its copy stands: `epoch` and `seq`, from the answer of a sync or resume and what came
 * after it; and, when a later sync or resume was cut off, `unfinished`: the epoch under which that wrote into
 * the copy.
 */
struct position {
    bool given; /* else ->epoch and ->seq say nothing */
    uint64_t epoch, seq;
    bool unfinished; /* else ->unfinished_epoch says nothing */
    uint64_t unfinished_epoch;
};

/** Reads `epoch` and `seq` (both, or neither) and `unfinished` of @data; null is absent. False: the call has
 * been answered. */
[[gnu::warn_unused_result]] bool client_position_read(struct transaction *transaction, struct json_value data,
                                                      struct position *position);

/**
 * *@holds: whether the copy is of this store's history, so that its versions mean here what they meant there:
 * its position is part of the history (store_history_holds()), if it has one, and what wrote into it and did
 * not finish was this run, whose present holds it all. Needs a snapshot.
 */
[[gnu::warn_unused_result]] enum error_code
client_position_holds(struct worker *worker, const struct position *position, bool *holds);

#endif
