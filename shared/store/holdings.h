#ifndef SHARED_STORE_HOLDINGS_H
#define SHARED_STORE_HOLDINGS_H

#include "shared/store/store.h"

/*
 * What there is in the store and how much room it takes, collection by collection, configured or not. Each
 * step is one look at one database, in a snapshot of its own.
 */

struct store_holding {
    char name[COLLECTION_NAME_BYTES + 1]; /* of the collection */
    char field[FIELD_BYTES + 1];          /* of an index; empty: the collection itself */
    uint64_t entries;                     /* documents, or keys of the index */
    uint64_t bytes;                       /* of whole pages */
};

/** The first collection whose name is greater than that in @holding (empty: any), into @holding. */
[[gnu::warn_unused_result]] enum store_step store_holding_next(struct store *store,
                                                               struct store_holding *holding);

/** The same for the indexes of the collection ->name, by their ->field. */
[[gnu::warn_unused_result]] enum store_step store_holding_next_index(struct store *store,
                                                                     struct store_holding *holding);

#endif
