#include "shared/store/former_name.h"

#include "shared/store/bytes.h"
#include "shared/store/environment.h"

bool former_name_key(char bytes[FORMER_NAME_KEY], const struct store *store, unsigned collection,
                     struct slice name, MDB_val *key)
{
    if (name.length == 0 || name.length > STORE_ID_BYTES)
        return false;
    bytes_put_16(bytes, store->collections[collection].number);
    memcpy(bytes + FORMER_NAME_NUMBER, name.data, name.length);
    *key = (MDB_val){FORMER_NAME_NUMBER + name.length, bytes};
    return true;
}

int former_name_find(MDB_txn *txn, const struct store *store, unsigned collection, struct slice name,
                     uint64_t *seq)
{
    char bytes[FORMER_NAME_KEY];
    MDB_val key, value;
    MDB_stat status;
    *seq = 0;
    int rc = mdb_stat(txn, store->former_name, &status);
    if (rc || status.ms_entries == 0 || !former_name_key(bytes, store, collection, name, &key))
        return rc;
    rc = mdb_get(txn, store->former_name, &key, &value);
    if (rc)
        return rc == MDB_NOTFOUND ? 0 : rc;
    if (value.mv_size != FORMER_NAME_SEQ)
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
