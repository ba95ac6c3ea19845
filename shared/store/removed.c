#include "shared/store/removed.h"

#include "shared/store/bytes.h"

/* A key: number of the collection (a name would be lost with the declaration, and the id with it), id. */
enum { NUMBER_BYTES = 2, SEQ_BYTES = 8, REMOVED_KEY_MOST = NUMBER_BYTES + STORE_ID_BYTES };

/** Makes the key in @bytes; false for what is no id. */
static bool make_key(char bytes[REMOVED_KEY_MOST], uint16_t number, struct slice id, MDB_val *key)
{
    if (id.length == 0 || id.length > STORE_ID_BYTES)
        return false;
    bytes_put_16(bytes, number);
    memcpy(bytes + NUMBER_BYTES, id.data, id.length);
    *key = (MDB_val){NUMBER_BYTES + id.length, bytes};
    return true;
}

int removed_put(MDB_txn *txn, const struct store *store, unsigned collection, struct slice id, uint64_t seq)
{
    char bytes[REMOVED_KEY_MOST], seq_bytes[SEQ_BYTES];
    MDB_val key, value = {sizeof seq_bytes, seq_bytes};
    if (!make_key(bytes, store->collections[collection].number, id, &key))
        return MDB_BAD_VALSIZE;
    bytes_put_64_big(seq_bytes, seq);
    return mdb_put(txn, store->removed, &key, &value, 0);
}

int removed_find(MDB_txn *txn, const struct store *store, unsigned collection, struct slice id, bool *found)
{
    char bytes[REMOVED_KEY_MOST];
    MDB_stat status;
    MDB_val key, value;
    *found = false;
    int rc = mdb_stat(txn, store->removed, &status);
    if (rc || status.ms_entries == 0)
        return rc;
    if (!make_key(bytes, store->collections[collection].number, id, &key))
        return MDB_BAD_VALSIZE;
    rc = mdb_get(txn, store->removed, &key, &value);
    *found = !rc;
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int removed_forget(MDB_txn *txn, const struct store *store, unsigned collection, struct slice id)
{
    char bytes[REMOVED_KEY_MOST];
    MDB_val key;
    if (!make_key(bytes, store->collections[collection].number, id, &key))
        return MDB_BAD_VALSIZE;
    int rc = mdb_del(txn, store->removed, &key, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int removed_trim(MDB_txn *txn, const struct store *store, uint16_t number, struct slice id, uint64_t seq)
{
    char bytes[REMOVED_KEY_MOST];
    MDB_val key, value;
    if (!make_key(bytes, number, id, &key))
        return 0;
    int rc = mdb_get(txn, store->removed, &key, &value);
    if (!rc && (value.mv_size != SEQ_BYTES || bytes_get_64_big(value.mv_data) == seq))
        rc = mdb_del(txn, store->removed, &key, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}
