#ifndef SHARED_STORE_REMOVED_H
#define SHARED_STORE_REMOVED_H

#include "shared/store/environment.h"

/*
 * The ids of removed documents, for as long as the change log has the removal. A document that is inserted
 * under such an id starts at version 0 again, so its versions say nothing to a client that still holds the
 * removed one: the record says so (->reinserted).
 *
 * All return an error of LMDB.
 */

/** Remembers that @id was removed by the change @seq. */
[[gnu::warn_unused_result]] int removed_put(MDB_txn *txn, const struct store *store, unsigned collection,
                                            struct slice id, uint64_t seq);

/** *@found: whether @id is remembered. Costs next to nothing while no id is. */
[[gnu::warn_unused_result]] int removed_find(MDB_txn *txn, const struct store *store, unsigned collection,
                                             struct slice id, bool *found);

/** Forgets @id: it is there again. */
[[gnu::warn_unused_result]] int removed_forget(MDB_txn *txn, const struct store *store, unsigned collection,
                                               struct slice id);

/** Forgets @id of the collection with this number, as in the change log, if it was removed by @seq and not
 * again since. */
[[gnu::warn_unused_result]] int removed_trim(MDB_txn *txn, const struct store *store, uint16_t number,
                                             struct slice id, uint64_t seq);

#endif
