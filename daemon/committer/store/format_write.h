#ifndef DAEMON_COMMITTER_STORE_FORMAT_WRITE_H
#define DAEMON_COMMITTER_STORE_FORMAT_WRITE_H

#include "shared/store/environment.h"

/** Gives a new store the present format and an empty state, and brings an older one up to date, in @txn.
 * False: it has no format that this program knows, or that failed; @message says so. */
[[gnu::warn_unused_result]] bool format_prepare(struct store *store, MDB_txn *txn,
                                                char message[STORE_MESSAGE]);

#endif
