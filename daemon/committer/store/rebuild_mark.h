#ifndef DAEMON_COMMITTER_STORE_REBUILD_MARK_H
#define DAEMON_COMMITTER_STORE_REBUILD_MARK_H

#include "shared/store/environment.h"

/*
 * How far the rebuild of a collection has come: in `meta` under "rebuild/NAME" from its start to its end, put
 * by each of its transactions. One that was stopped on the way goes on from there, if the collection is still
 * declared as it was; otherwise it starts over. (Nobody else writes to the collection before it is done, and
 * store_collection_standing() says of one with a mark, whatever is in it, that it is not as declared.)
 */

struct rebuild_mark {
    uint64_t done;         /* documents */
    struct slice position; /* the last one of them; absent: none */
};

/** @mark NULL: the old indexes are not cleared away yet. */
[[gnu::warn_unused_result]] int rebuild_mark_put(struct store *store, MDB_txn *txn,
                                                 const struct store_collection *collection,
                                                 const struct rebuild_mark *mark);

[[gnu::warn_unused_result]] int rebuild_mark_remove(struct store *store, MDB_txn *txn,
                                                    const struct store_collection *collection);

/** Reads into @mark, valid as long as the transaction. False: there is none of this declaration to go on
 * from.
 */
[[gnu::warn_unused_result]] bool rebuild_mark_read(struct store *store, MDB_txn *txn,
                                                   const struct store_collection *collection,
                                                   struct rebuild_mark *mark);

#endif
