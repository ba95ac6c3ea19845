#ifndef SHARED_STORE_HISTORY_H
#define SHARED_STORE_HISTORY_H

#include "shared/store/environment.h"
#include "shared/store/store_write.h"

/*
 * The runs of the server on this store, meta "runs": for each u64 epoch and u64 sequence number of the last
 * change when it began, the present one last. What was seen in a run up to its end is part of this store's
 * history; what was seen behind that was lost, or happened to another copy of the store.
 */

enum { RUN_BYTES = 16, RUNS_MOST = 1000 };

/** Begins @store->run, or sees that it is the one that goes on, in the transaction that opens the store:
 * before anything gets a sequence number in it. False: @message says why. */
[[gnu::warn_unused_result]] bool history_enter(struct store *store, MDB_txn *txn,
                                               char message[STORE_MESSAGE]);

/** Forgets all runs: what was seen in them says nothing any more. An error of LMDB. */
[[gnu::warn_unused_result]] int history_end(struct store *store, MDB_txn *txn);

#endif
