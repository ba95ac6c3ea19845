#include "shared/store/former_name.h"

#include "shared/store/bytes.h"

enum { NUMBER_BYTES = 2, SEQ_BYTES = 8, KEY_BYTES = NUMBER_BYTES + STORE_ID_BYTES };

/** Makes the key in @bytes; false for what is no name. */
static bool make_key(char bytes[KEY_BYTES], const struct store *store, unsigned collection, struct slice name,
                     MDB_val *key)
{
    if (name.length == 0 || name.length > STORE_ID_BYTES)
        return false;
    bytes_put_16(bytes, store->collections[collection].number);
    memcpy(bytes + NUMBER_BYTES, name.data, name.length);
    *key = (MDB_val){NUMBER_BYTES + name.length, bytes};
    return true;
}

int former_name_put(MDB_txn *txn, const struct store *store, unsigned collection, struct slice name,
                    uint64_t seq)
{
    char bytes[KEY_BYTES], number[SEQ_BYTES];
    MDB_val key, value = {sizeof number, number};
    if (!make_key(bytes, store, collection, name, &key))
        return MDB_BAD_VALSIZE;
    bytes_put_64(number, seq);
    return mdb_put(txn, store->former_name, &key, &value, 0);
}

int former_name_find(MDB_txn *txn, const struct store *store, unsigned collection, struct slice name,
                     uint64_t *seq)
{
    char bytes[KEY_BYTES];
    MDB_val key, value;
    MDB_stat status;
    *seq = 0;
    int rc = mdb_stat(txn, store->former_name, &status);
    if (rc || status.ms_entries == 0 || !make_key(bytes, store, collection, name, &key))
        return rc;
    rc = mdb_get(txn, store->former_name, &key, &value);
    if (rc)
        return rc == MDB_NOTFOUND ? 0 : rc;
    if (value.mv_size != SEQ_BYTES)
        return MDB_CORRUPTED;
    *seq = bytes_get_64(value.mv_data);
    return 0;
}

enum error_code store_name_was_used(struct store *store, unsigned collection, struct slice name,
                                    uint64_t *seq)
{
    int rc = former_name_find(store->snapshot, store, collection, name, seq);
    return rc ? store_error("a former name cannot be read", rc) : ERROR_NONE;
}
