#ifndef DAEMON_COMMITTER_STORE_HISTORY_WRITE_H
#define DAEMON_COMMITTER_STORE_HISTORY_WRITE_H

#include "daemon/committer/store/write_open.h"
#include "shared/store/environment.h"

/* Writing the list of runs; history.h reads it. */

/** Begins @run, or sees that it is the one that goes on, in the transaction that opens the store: before
 * anything gets a sequence number in it. False: @message says why. */
[[gnu::warn_unused_result]] bool history_enter(struct store *store, MDB_txn *txn, const struct store_run *run,
                                               char message[STORE_MESSAGE]);

/** Forgets all runs: what was seen in them says nothing any more. An error of LMDB. */
[[gnu::warn_unused_result]] int history_end(struct store *store, MDB_txn *txn);

#endif
