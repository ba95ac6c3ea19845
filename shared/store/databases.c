#include "shared/store/databases.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/store/bytes.h"
#include "shared/store/format.h"
#include "shared/store/names.h"

int store_dbi_open(MDB_txn *txn, unsigned flags, MDB_dbi *dbi, const char *kind, const char *collection,
                   const char *field)
{
    char name[STORE_NAME_MOST];
    int length = snprintf(name, sizeof name, "%s%s%s%s%s", kind, collection ? "/" : "",
                          collection ? collection : "", field ? "/" : "", field ? field : "");
    if (length < 0 || (size_t)length >= sizeof name)
        return MDB_BAD_VALSIZE;
    return mdb_dbi_open(txn, name, flags, dbi);
}

bool store_meta_open(struct store *store, MDB_txn *txn, bool *empty, char message[STORE_MESSAGE])
{
    MDB_stat status;
    *empty = false;
    int rc = mdb_dbi_open(txn, "meta", 0, &store->meta);
    if (rc != MDB_NOTFOUND)
        return rc ? store_refuse(store, "the store cannot be read", rc, message) : true;
    MDB_dbi names;
    rc = mdb_dbi_open(txn, NULL, 0, &names);
    if (!rc)
        rc = mdb_stat(txn, names, &status);
    if (rc)
        return store_refuse(store, "the store cannot be read", rc, message);
    *empty = status.ms_entries == 0;
    if (!*empty)
        snprintf(message, STORE_MESSAGE, "%s/data.mdb: is not a store of dispatchd", store->config->data);
    return *empty;
}

/* ---- what is stored about collections ---- */

struct slice store_meta_key(char key[META_KEY_MOST], const char *kind,
                            const struct store_collection *collection)
{
    int length = snprintf(key, META_KEY_MOST, "%s/%s", kind, collection->config->name);
    if (length < 0 || length >= META_KEY_MOST)
        log_fatal("store: a collection's name is too long: %s", collection->config->name);
    return slice_of(key, (size_t)length);
}

struct slice store_declaration(const struct store_collection *collection)
{
    return slice_text(collection->config->declaration ? collection->config->declaration : "");
}

/* The mark itself is the writer's (daemon/committer/store/rebuild_mark.h). */
static bool is_being_rebuilt(struct store *store, MDB_txn *txn, const struct store_collection *collection)
{
    char name[META_KEY_MOST];
    MDB_val key = store_val(store_meta_key(name, "rebuild", collection)), value;
    return mdb_get(txn, store->meta, &key, &value) == 0;
}

size_t store_numbers_given(struct store *store, MDB_txn *txn)
{
    static const char prefix[] = "collection/";
    MDB_cursor *cursor;
    size_t count = 0;
    if (mdb_cursor_open(txn, store->meta, &cursor))
        return 0;
    MDB_val key = {sizeof prefix - 1, (void *)(uintptr_t)prefix}, value;
    for (int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE); !rc;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        if (key.mv_size < sizeof prefix - 1 || memcmp(key.mv_data, prefix, sizeof prefix - 1) != 0)
            break;
        if (value.mv_size >= 2 && bytes_get_16(value.mv_data) >= count)
            count = (size_t)bytes_get_16(value.mv_data) + 1;
    }
    mdb_cursor_close(cursor);
    return count;
}

enum collection_standing store_collection_standing(struct store *store, MDB_txn *txn,
                                                   struct store_collection *collection)
{
    char name[META_KEY_MOST];
    MDB_val key = store_val(store_meta_key(name, "collection", collection)), value;
    if (mdb_get(txn, store->meta, &key, &value) || value.mv_size < 2)
        return STANDING_NEW;
    collection->number = bytes_get_16(value.mv_data);
    struct slice stored = slice_of((char *)value.mv_data + 2, value.mv_size - 2);
    return is_being_rebuilt(store, txn, collection) || !slice_equal(stored, store_declaration(collection))
               ? STANDING_CHANGED
               : STANDING_SAME;
}

void store_numbers_map(struct store *store, size_t given)
{
    store->number_count = given;
    free(store->by_number);
    store->by_number = memory_zeroed(store->number_count, sizeof *store->by_number);
    for (size_t i = 0; i < store->number_count; i++)
        store->by_number[i] = UINT_MAX;
    for (size_t i = 0; i < store->collection_count; i++)
        store->by_number[store->collections[i].number] = (unsigned)i;
}

/** Whether the committer has made all collections as they are declared here. */
static bool collections_check(struct store *store, MDB_txn *txn, char message[STORE_MESSAGE])
{
    for (size_t i = 0; i < store->collection_count; i++) {
        struct store_collection *collection = &store->collections[i];
        if (store_collection_standing(store, txn, collection) == STANDING_SAME)
            continue;
        snprintf(message, STORE_MESSAGE,
                 "%s: the store is not prepared for the collection %s as it is declared", store->config->data,
                 collection->config->name);
        return false;
    }
    store_numbers_map(store, store_numbers_given(store, txn));
    return true;
}

/* ---- opening ---- */

int store_shared_open(struct store *store, MDB_txn *txn, unsigned create)
{
    int rc = mdb_dbi_open(txn, "log", create, &store->log);
    if (!rc)
        rc = mdb_dbi_open(txn, "former_name", create, &store->former_name);
    if (!rc)
        rc = mdb_dbi_open(txn, "former_owner", create, &store->former_owner);
    if (!rc)
        rc = mdb_dbi_open(txn, "once", create, &store->once);
    if (!rc)
        rc = mdb_dbi_open(txn, "once_expiry", create, &store->once_expiry);
    for (size_t i = 0; !rc && i < store->collection_count; i++)
        rc = store_dbi_open(txn, create, &store->collections[i].dbi, "c", store->collections[i].config->name,
                            NULL);
    return rc;
}

int store_indexes_open(struct store *store, MDB_txn *txn, unsigned create)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < store->collection_count; i++) {
        struct store_collection *collection = &store->collections[i];
        for (size_t k = 0; !rc && k < collection->index_count; k++)
            rc = store_dbi_open(txn, create, &collection->indexes[k].dbi, "x", collection->config->name,
                                collection->indexes[k].field.data);
    }
    return rc;
}

static bool check_all(struct store *store, MDB_txn *txn, char message[STORE_MESSAGE])
{
    bool empty;
    uint32_t format;
    if (!store_meta_open(store, txn, &empty, message))
        return false;
    if (empty) {
        snprintf(message, STORE_MESSAGE, "%s: there is no store yet", store->config->data);
        return false;
    }
    int rc = format_read(store, txn, &format);
    if (rc)
        return store_refuse(store, "the store's format cannot be read", rc, message);
    return format_is_known(store, format, message) && collections_check(store, txn, message);
}

bool store_databases_open(struct store *store, char message[STORE_MESSAGE])
{
    /* A database handle belongs to the transaction that opened it until that is committed; also when it only
     * reads. */
    MDB_txn *txn;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    if (rc)
        return store_refuse(store, "the store cannot be opened", rc, message);
    if (!check_all(store, txn, message)) {
        mdb_txn_abort(txn);
        return false;
    }
    rc = store_shared_open(store, txn, 0);
    if (!rc)
        rc = store_indexes_open(store, txn, 0);
    if (rc) {
        mdb_txn_abort(txn);
        return store_refuse(store, "the store's databases cannot be opened", rc, message);
    }
    rc = mdb_txn_commit(txn);
    return rc ? store_refuse(store, "the store cannot be opened", rc, message) : true;
}
