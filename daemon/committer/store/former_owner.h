#ifndef DAEMON_COMMITTER_STORE_FORMER_OWNER_H
#define DAEMON_COMMITTER_STORE_FORMER_OWNER_H

#include "shared/store/environment.h"

/*
 * Whose the documents were that somebody else removed who may change them, in collections with rights, for as
 * long as the change log has the removal: their ids are not to be had by those who could not have made the
 * document their own. Database "former_owner": u16 number of the collection, id -> u64 seq of the removal,
 * the owner's id.
 *
 * All return an error of LMDB.
 */

[[gnu::warn_unused_result]] int former_owner_put(MDB_txn *txn, const struct store *store, unsigned collection,
                                                 struct slice id, uint64_t seq, struct slice owner);

/** *@known: whether something is known of the id; *@owner: whose the removed document was, empty when it was
 * nobody's; points into the map. Costs next to nothing while nothing is known at all. */
[[gnu::warn_unused_result]] int former_owner_find(MDB_txn *txn, const struct store *store,
                                                  unsigned collection, struct slice id, bool *known,
                                                  struct slice *owner);

/** The id is in use again. */
[[gnu::warn_unused_result]] int former_owner_forget(MDB_txn *txn, const struct store *store,
                                                    unsigned collection, struct slice id);

/** The change log loses the removal @seq of @id, of the collection with this number. */
[[gnu::warn_unused_result]] int former_owner_trim(MDB_txn *txn, const struct store *store, uint16_t number,
                                                  struct slice id, uint64_t seq);

#endif
