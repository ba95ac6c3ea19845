#include "shared/store/environment.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/store/bytes.h"
#include "shared/store/history.h"
#include "shared/store/rebuild_mark.h"

enum { NAME_MOST = 2 + COLLECTION_NAME_BYTES + 1 + FIELD_BYTES + 1 };

int store_dbi_open(MDB_txn *txn, unsigned flags, MDB_dbi *dbi, const char *kind, const char *collection,
                   const char *field)
{
    char name[NAME_MOST];
    int length = snprintf(name, sizeof name, "%s%s%s%s%s", kind, collection ? "/" : "",
                          collection ? collection : "", field ? "/" : "", field ? field : "");
    if (length < 0 || (size_t)length >= sizeof name)
        return MDB_BAD_VALSIZE;
    return mdb_dbi_open(txn, name, flags, dbi);
}

static bool fail(struct store *store, const char *what, int rc, char message[STORE_MESSAGE])
{
    snprintf(message, STORE_MESSAGE, "%s: %s: %s", store->config->data, what, mdb_strerror(rc));
    return false;
}

/** Whether the file is empty or ours: a stranger's databases are left alone. */
static bool owner_check(struct store *store, MDB_txn *txn, char message[STORE_MESSAGE])
{
    MDB_stat status;
    int rc = mdb_dbi_open(txn, "meta", 0, &store->meta);
    if (rc != MDB_NOTFOUND)
        return rc ? fail(store, "the store cannot be read", rc, message) : true;
    MDB_dbi names;
    rc = mdb_dbi_open(txn, NULL, 0, &names);
    if (!rc)
        rc = mdb_stat(txn, names, &status);
    if (rc)
        return fail(store, "the store cannot be read", rc, message);
    if (store->mode == STORE_READ || status.ms_entries) {
        snprintf(message, STORE_MESSAGE,
                 status.ms_entries ? "%s/data.mdb: is not a store of dispatchd" : "%s: there is no store yet",
                 store->config->data);
        return false;
    }
    rc = mdb_dbi_open(txn, "meta", MDB_CREATE, &store->meta);
    return rc ? fail(store, "the store cannot be made", rc, message) : true;
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

int store_collection_record(struct store *store, MDB_txn *txn, struct store_collection *collection)
{
    char name[META_KEY_MOST];
    struct slice text = store_declaration(collection);
    MDB_val key = store_val(store_meta_key(name, "collection", collection)), value = {2 + text.length, NULL};
    int rc = mdb_put(txn, store->meta, &key, &value, MDB_RESERVE);
    if (rc)
        return rc;
    bytes_put_16(value.mv_data, collection->number);
    if (text.length)
        memcpy((char *)value.mv_data + 2, text.data, text.length);
    return 0;
}

/** How many numbers have been given to collections, declared now or not. */
static size_t numbers_given(struct store *store, MDB_txn *txn)
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

struct slice store_collection_declared(struct store *store, MDB_txn *txn, struct store_collection *collection)
{
    char name[META_KEY_MOST];
    MDB_val key = store_val(store_meta_key(name, "collection", collection)), value;
    if (mdb_get(txn, store->meta, &key, &value) || value.mv_size < 2)
        return (struct slice){0};
    return slice_of((char *)value.mv_data + 2, value.mv_size - 2);
}

enum standing { STANDING_NEW, STANDING_SAME, STANDING_CHANGED };

static enum standing collection_standing(struct store *store, MDB_txn *txn,
                                         struct store_collection *collection)
{
    char name[META_KEY_MOST];
    MDB_val key = store_val(store_meta_key(name, "collection", collection)), value;
    if (mdb_get(txn, store->meta, &key, &value) || value.mv_size < 2)
        return STANDING_NEW;
    collection->number = bytes_get_16(value.mv_data);
    struct slice stored = slice_of((char *)value.mv_data + 2, value.mv_size - 2);
    return rebuild_mark_is_there(store, txn, collection) ||
                   !slice_equal(stored, store_declaration(collection))
               ? STANDING_CHANGED
               : STANDING_SAME;
}

/** Numbers for new collections; *@changed: whether some must be rebuilt. */
static bool collections_check(struct store *store, MDB_txn *txn, bool *changed, char message[STORE_MESSAGE])
{
    size_t given = numbers_given(store, txn);
    *changed = false;
    for (size_t i = 0; i < store->collection_count; i++) {
        struct store_collection *collection = &store->collections[i];
        enum standing standing = collection_standing(store, txn, collection);
        if (standing == STANDING_SAME)
            continue;
        if (store->mode == STORE_READ) {
            snprintf(message, STORE_MESSAGE,
                     "%s: the store is not prepared for the collection %s as it is declared",
                     store->config->data, collection->config->name);
            return false;
        }
        if (standing == STANDING_CHANGED) {
            *changed = true;
            continue;
        }
        if (given > UINT16_MAX) {
            snprintf(message, STORE_MESSAGE, "%s: the store has had 65536 collections and takes no more",
                     store->config->data);
            return false;
        }
        collection->number = (uint16_t)given++;
        int rc = store_collection_record(store, txn, collection);
        if (rc)
            return fail(store, "a collection cannot be added", rc, message);
    }
    store->number_count = given;
    return true;
}

static void numbers_map(struct store *store)
{
    free(store->by_number);
    store->by_number = memory_zeroed(store->number_count, sizeof *store->by_number);
    for (size_t i = 0; i < store->number_count; i++)
        store->by_number[i] = UINT_MAX;
    for (size_t i = 0; i < store->collection_count; i++)
        store->by_number[store->collections[i].number] = (unsigned)i;
}

/* ---- opening ---- */

static int open_shared(struct store *store, MDB_txn *txn, unsigned create)
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

static int open_indexes(struct store *store, MDB_txn *txn, unsigned create)
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

static bool rebuild_changed(struct store *store, char message[STORE_MESSAGE])
{
    for (size_t i = 0; i < store->collection_count; i++) {
        MDB_txn *txn;
        int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
        if (rc)
            return fail(store, "the store cannot be read", rc, message);
        enum standing standing = collection_standing(store, txn, &store->collections[i]);
        mdb_txn_abort(txn);
        if (standing == STANDING_CHANGED && !store_rebuild(store, &store->collections[i], message))
            return false;
    }
    return true;
}

bool store_databases_open(struct store *store, char message[STORE_MESSAGE])
{
    /* A database handle belongs to the transaction that opened it until that is committed; also when it only
     * reads. */
    unsigned begin = store->mode == STORE_READ ? MDB_RDONLY : 0;
    unsigned create = store->mode == STORE_READ ? 0 : MDB_CREATE;
    MDB_txn *txn;
    int rc = mdb_txn_begin(store->env, NULL, begin, &txn);
    if (rc)
        return fail(store, "the store cannot be opened", rc, message);
    bool changed;
    if (!owner_check(store, txn, message) || !store_format_check(store, txn, message) ||
        (store->run && !history_enter(store, txn, message)) ||
        !collections_check(store, txn, &changed, message)) {
        mdb_txn_abort(txn);
        return false;
    }
    numbers_map(store);
    rc = open_shared(store, txn, create);
    if (!rc && !changed)
        rc = open_indexes(store, txn, create);
    if (rc) {
        mdb_txn_abort(txn);
        return fail(store, "the store's databases cannot be opened", rc, message);
    }
    rc = mdb_txn_commit(txn);
    if (rc)
        return fail(store, "the store cannot be opened", rc, message);
    if (!changed)
        return true;
    if (!rebuild_changed(store, message))
        return false;
    rc = mdb_txn_begin(store->env, NULL, 0, &txn);
    if (rc)
        return fail(store, "the store cannot be opened", rc, message);
    rc = open_indexes(store, txn, MDB_CREATE);
    if (rc)
        mdb_txn_abort(txn);
    else
        rc = mdb_txn_commit(txn);
    return rc ? fail(store, "the indexes cannot be opened", rc, message) : true;
}
