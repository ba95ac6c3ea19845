#ifndef DAEMON_COMMITTER_STORE_VERSION_FLOOR_H
#define DAEMON_COMMITTER_STORE_VERSION_FLOOR_H

#include "shared/store/environment.h"

/*
 * Where versions begin. A document under an id that somebody chose begins one above the highest version that
 * was ever removed from its collection: whatever had this id before had another version, so in the history of
 * a store an id and a version stand for one content. (An id that the server makes is new: it begins at 0.)
 *
 * The number is kept in meta, "versions/NAME", also while the collection is not declared. A set that fails
 * raises nothing, nor does a transaction that is aborted.
 */

struct version_floor {
    uint64_t stored; /* committed */
    uint64_t now;    /* with what was applied in the transaction */
    uint64_t staged; /* and in the set */
};

/** All @store->collection_count of them, read from the store: in one allocation, the caller's. Ends the
 * process when they cannot be read. */
struct version_floor *version_floors_load(struct store *store);

/** A document of version @version is removed by the set. */
void version_floor_raise(struct version_floor *floor, uint64_t version);

/** The set has been put (@applied), or failed. */
void version_floors_settle(struct version_floor *floors, size_t count, bool applied);

/** Stores those that the transaction has raised. An error of LMDB. */
[[gnu::warn_unused_result]] int version_floors_store(struct store *store, MDB_txn *txn,
                                                     const struct version_floor *floors);

/** The transaction was committed, or aborted. */
void version_floors_end(struct version_floor *floors, size_t count, bool committed);

#endif
