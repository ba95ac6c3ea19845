#ifndef SHARED_STORE_HISTORY_H
#define SHARED_STORE_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/error_code.h"
#include "shared/base/slice.h"

struct MDB_txn;
struct store;

/*
 * The runs of the server on this store, meta "runs": for each u64 epoch and u64 sequence number of the last
 * change when it began, the present one last. What was seen in a run up to its end is part of this store's
 * history; what was seen after that was lost, or happened to another copy of the store.
 */

enum { RUN_BYTES = 16, RUNS_MOST = 1000 };

/** The list as it is stored, in the map; empty when there is none. An error of LMDB. */
[[gnu::warn_unused_result]] int history_runs(struct store *store, struct MDB_txn *txn, struct slice *runs);

/**
 * *@holds: whether the state that somebody saw in run @epoch after change @seq is one that this store went
 * through: the run is one of its last 1,000, and the number is not beyond what of that run came to this
 * store. Not so after a copy was put back, and for what was lost with the power. Needs a snapshot.
 */
[[gnu::warn_unused_result]] enum error_code store_history_holds(struct store *store, uint64_t epoch,
                                                                uint64_t seq, bool *holds);

#endif
