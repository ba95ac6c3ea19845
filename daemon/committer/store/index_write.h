#ifndef DAEMON_COMMITTER_STORE_INDEX_WRITE_H
#define DAEMON_COMMITTER_STORE_INDEX_WRITE_H

#include "shared/store/environment.h"

/* The entries of indexes, as writing them needs it. All return an error of LMDB. */

[[gnu::warn_unused_result]] int index_put(MDB_txn *txn, MDB_dbi dbi, struct slice value, struct slice id);
[[gnu::warn_unused_result]] int index_remove(MDB_txn *txn, MDB_dbi dbi, struct slice value, struct slice id);

/** The first document that holds @value (as a scalar or in an array) in a unique index, other than @self.
 * MDB_NOTFOUND: none; @holder points into the map. */
[[gnu::warn_unused_result]] int index_holder(MDB_txn *txn, MDB_dbi dbi, struct slice value, struct slice self,
                                             struct slice *holder);

#endif
