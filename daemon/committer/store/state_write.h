#ifndef DAEMON_COMMITTER_STORE_STATE_WRITE_H
#define DAEMON_COMMITTER_STORE_STATE_WRITE_H

#include "shared/store/environment.h"

/** Writes "state" in @txn; store_state_read() reads it. An error of LMDB. */
[[gnu::warn_unused_result]] int state_write(struct store *store, MDB_txn *txn,
                                            const struct store_state *state);

#endif
