#ifndef SHARED_STORE_HISTORY_H
#define SHARED_STORE_HISTORY_H

#include "shared/store/environment.h"

/*
 * The runs of the server on this store, meta "runs": for each u64 epoch and u64 sequence number of the last
 * change when it began, the present one last. What was seen in a run up to its end is part of this store's
 * history; what was seen behind that was lost, or happened to another copy of the store.
 */

enum { RUN_BYTES = 16, RUNS_MOST = 1000 };

/** The list as it is stored, in the map; empty when there is none. An error of LMDB. */
[[gnu::warn_unused_result]] int history_runs(struct store *store, MDB_txn *txn, struct slice *runs);

#endif
