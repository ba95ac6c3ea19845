#include "daemon/committer/store/databases_write.h"

#include <stdio.h>

#include "daemon/committer/store/format_write.h"
#include "daemon/committer/store/history_write.h"
#include "daemon/committer/store/rebuild.h"
#include "shared/store/bytes.h"
#include "shared/store/databases.h"

/* ---- what is stored about collections ---- */

int databases_record_collection(struct store *store, MDB_txn *txn, struct store_collection *collection)
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

struct slice databases_declaration(struct store *store, MDB_txn *txn, struct store_collection *collection)
{
    char name[META_KEY_MOST];
    MDB_val key = store_val(store_meta_key(name, "collection", collection)), value;
    if (mdb_get(txn, store->meta, &key, &value) || value.mv_size < 2)
        return (struct slice){0};
    return slice_of((char *)value.mv_data + 2, value.mv_size - 2);
}

/** Opens "meta", in a file that is empty or ours: a stranger's databases are left alone. */
static bool prepare_meta(struct store *store, MDB_txn *txn, char message[STORE_MESSAGE])
{
    bool empty;
    if (!store_meta_open(store, txn, &empty, message))
        return false;
    int rc = empty ? mdb_dbi_open(txn, "meta", MDB_CREATE, &store->meta) : 0;
    return rc ? store_refuse(store, "the store cannot be made", rc, message) : true;
}

/** Numbers for new collections; *@changed: whether some must be rebuilt. */
static bool number_collections(struct store *store, MDB_txn *txn, bool *changed, char message[STORE_MESSAGE])
{
    size_t given = store_numbers_given(store, txn);
    *changed = false;
    for (size_t i = 0; i < store->collection_count; i++) {
        struct store_collection *collection = &store->collections[i];
        enum collection_standing standing = store_collection_standing(store, txn, collection);
        if (standing == STANDING_SAME)
            continue;
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
        int rc = databases_record_collection(store, txn, collection);
        if (rc)
            return store_refuse(store, "a collection cannot be added", rc, message);
    }
    store_numbers_map(store, given);
    return true;
}

/* ---- opening ---- */

static bool rebuild_changed(struct store *store, const struct store_run *run, char message[STORE_MESSAGE])
{
    for (size_t i = 0; i < store->collection_count; i++) {
        MDB_txn *txn;
        int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
        if (rc)
            return store_refuse(store, "the store cannot be read", rc, message);
        enum collection_standing standing = store_collection_standing(store, txn, &store->collections[i]);
        mdb_txn_abort(txn);
        if (standing == STANDING_CHANGED && !rebuild_collection(store, run, &store->collections[i], message))
            return false;
    }
    return true;
}

bool databases_prepare(struct store *store, const struct store_run *run, char message[STORE_MESSAGE])
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(store->env, NULL, 0, &txn);
    if (rc)
        return store_refuse(store, "the store cannot be opened", rc, message);
    bool changed;
    if (!prepare_meta(store, txn, message) || !format_prepare(store, txn, message) ||
        (run && !history_enter(store, txn, run, message)) ||
        !number_collections(store, txn, &changed, message)) {
        mdb_txn_abort(txn);
        return false;
    }
    rc = store_shared_open(store, txn, MDB_CREATE);
    if (!rc && !changed)
        rc = store_indexes_open(store, txn, MDB_CREATE);
    if (rc) {
        mdb_txn_abort(txn);
        return store_refuse(store, "the store's databases cannot be opened", rc, message);
    }
    rc = mdb_txn_commit(txn);
    if (rc)
        return store_refuse(store, "the store cannot be opened", rc, message);
    if (!changed)
        return true;
    if (!rebuild_changed(store, run, message))
        return false;
    rc = mdb_txn_begin(store->env, NULL, 0, &txn);
    if (rc)
        return store_refuse(store, "the store cannot be opened", rc, message);
    rc = store_indexes_open(store, txn, MDB_CREATE);
    if (rc)
        mdb_txn_abort(txn);
    else
        rc = mdb_txn_commit(txn);
    return rc ? store_refuse(store, "the indexes cannot be opened", rc, message) : true;
}
