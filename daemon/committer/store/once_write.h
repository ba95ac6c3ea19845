#ifndef DAEMON_COMMITTER_STORE_ONCE_WRITE_H
#define DAEMON_COMMITTER_STORE_ONCE_WRITE_H

#include "shared/store/environment.h"

/* Remembering answers for `once`; store_once.h finds them. All return an error of LMDB. */

[[gnu::warn_unused_result]] int once_put(struct store *store, MDB_txn *txn, struct slice user,
                                         struct slice method, struct slice key, uint64_t expires_ms,
                                         struct slice answer, uint64_t seq);

/** Removes at most @most answers that have expired. */
[[gnu::warn_unused_result]] int once_trim(struct store *store, MDB_txn *txn, uint64_t now_ms, unsigned most);

#endif
