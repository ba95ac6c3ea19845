#ifndef SHARED_STORE_DATABASES_H
#define SHARED_STORE_DATABASES_H

#include "shared/store/environment.h"

/* The databases of an environment, and what is stored in `meta` about collections. */

/** Opens a named database (and makes it, with MDB_CREATE in @flags): KIND/COLLECTION/FIELD; NULL for the
 * last or the two last: without them. An error of LMDB. */
[[gnu::warn_unused_result]] int store_dbi_open(MDB_txn *txn, unsigned flags, MDB_dbi *dbi, const char *kind,
                                               const char *collection, const char *field);

/** Opens `meta`. *@empty: there is none, and nothing else either. False: it cannot be opened, or the file
 * has databases of another program; @message says so. */
[[gnu::warn_unused_result]] bool store_meta_open(struct store *store, MDB_txn *txn, bool *empty,
                                                 char message[STORE_MESSAGE]);

/** The name under which something of @collection is stored in meta: "KIND/NAME", in @key. */
enum { META_KEY_MOST = 16 + COLLECTION_NAME_BYTES };
struct slice store_meta_key(char key[META_KEY_MOST], const char *kind,
                            const struct store_collection *collection);

/** What the configuration declares of the collection, as it is stored. */
struct slice store_declaration(const struct store_collection *collection);

/** How many numbers have been given to collections, declared now or not. */
size_t store_numbers_given(struct store *store, MDB_txn *txn);

/** Notes which collection has which of the @given numbers, in ->by_number. */
void store_numbers_map(struct store *store, size_t given);

/** How what is stored of a collection relates to its declaration. */
enum collection_standing {
    STANDING_NEW, /* nothing is stored */
    STANDING_SAME,
    STANDING_CHANGED /* it must be rebuilt, or a rebuild is under way */
};

/** Sets its ->number, too, if it has one. */
enum collection_standing store_collection_standing(struct store *store, MDB_txn *txn,
                                                   struct store_collection *collection);

/** Opens all databases but `meta` and the indexes (and makes them, with MDB_CREATE as @create); the
 * indexes. An error of LMDB. */
[[gnu::warn_unused_result]] int store_shared_open(struct store *store, MDB_txn *txn, unsigned create);
[[gnu::warn_unused_result]] int store_indexes_open(struct store *store, MDB_txn *txn, unsigned create);

/** Opens all databases for reading, in a store that a writer has prepared for the configuration. False:
 * @message says why. */
[[gnu::warn_unused_result]] bool store_databases_open(struct store *store, char message[STORE_MESSAGE]);

#endif
