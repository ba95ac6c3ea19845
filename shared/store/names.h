#ifndef SHARED_STORE_NAMES_H
#define SHARED_STORE_NAMES_H

#include <lmdb.h>

#include "shared/config/config.h"

/* The databases that a store has, whatever the configuration declares. */

enum { STORE_NAME_MOST = 2 + COLLECTION_NAME_BYTES + 1 + FIELD_BYTES + 1 };

/** The first database whose name begins with @prefix and is greater than @after (empty: any). An error of
 * LMDB, MDB_NOTFOUND when there is none. */
[[gnu::warn_unused_result]] int store_name_next(MDB_txn *txn, const char *prefix, const char *after,
                                                char name[STORE_NAME_MOST]);

#endif
