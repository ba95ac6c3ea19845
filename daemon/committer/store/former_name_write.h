#ifndef DAEMON_COMMITTER_STORE_FORMER_NAME_WRITE_H
#define DAEMON_COMMITTER_STORE_FORMER_NAME_WRITE_H

#include "shared/store/environment.h"

/** The name loses who had it. An error of LMDB. */
[[gnu::warn_unused_result]] int former_name_put(MDB_txn *txn, const struct store *store, unsigned collection,
                                                struct slice name, uint64_t seq);

#endif
