#ifndef SHARED_STORE_FORMER_NAME_H
#define SHARED_STORE_FORMER_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/error_code.h"
#include "shared/base/slice.h"
#include "shared/config/config.h"
#include "shared/store/store.h"

struct MDB_txn;
struct MDB_val;

/*
 * The names of users and groups that were removed. Documents, and the answers kept for `once`, go on naming
 * them, so a name is not to be had again by somebody else unless that is said: CHANGE_TAKE_OVER. They stay
 * known for as long as the store. Database "former_name": u16 number of the collection, name -> u64 seq of
 * its last removal.
 */
enum { FORMER_NAME_NUMBER = 2, FORMER_NAME_SEQ = 8, FORMER_NAME_KEY = FORMER_NAME_NUMBER + STORE_ID_BYTES };

/** Whether the names of what is removed from this collection are kept: of `users` and `groups`. */
static inline bool former_name_is_kept(unsigned collection)
{
    return collection == COLLECTION_USERS || collection == COLLECTION_GROUPS;
}

/** Makes the key of a name in @bytes; false for what is no name. */
[[gnu::warn_unused_result]] bool former_name_key(char bytes[FORMER_NAME_KEY], const struct store *store,
                                                 unsigned collection, struct slice name, struct MDB_val *key);

/** *@seq: of the change that removed the last one who had this name and has it no more; 0: nobody had. Costs
 * next to nothing while no name is known. An error of LMDB. */
[[gnu::warn_unused_result]] int former_name_find(struct MDB_txn *txn, const struct store *store,
                                                 unsigned collection, struct slice name, uint64_t *seq);

/** *@seq: the change that removed the last one who had this name in `users` or `groups` and lost it; 0:
 * nobody did. */
[[gnu::warn_unused_result]] enum error_code store_name_was_used(struct store *store, unsigned collection,
                                                                struct slice name, uint64_t *seq);

#endif
