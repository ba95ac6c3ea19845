#include "daemon/committer/store/former_owner.h"

#include "shared/store/bytes.h"

enum { NUMBER_BYTES = 2, SEQ_BYTES = 8, KEY_BYTES = NUMBER_BYTES + STORE_ID_BYTES };

/** Makes the key in @bytes; false for what cannot be an id. */
static bool make_key(char bytes[KEY_BYTES], uint16_t number, struct slice id, MDB_val *key)
{
    if (id.length == 0 || id.length > STORE_ID_BYTES)
        return false;
    bytes_put_16(bytes, number);
    memcpy(bytes + NUMBER_BYTES, id.data, id.length);
    *key = (MDB_val){NUMBER_BYTES + id.length, bytes};
    return true;
}

static int is_empty(MDB_txn *txn, const struct store *store, bool *empty)
{
    MDB_stat status;
    int rc = mdb_stat(txn, store->former_owner, &status);
    *empty = !rc && status.ms_entries == 0;
    return rc;
}

int former_owner_put(MDB_txn *txn, const struct store *store, unsigned collection, struct slice id,
                     uint64_t seq, struct slice owner)
{
    char bytes[KEY_BYTES];
    MDB_val key, value = {SEQ_BYTES + owner.length, NULL};
    if (!make_key(bytes, store->collections[collection].number, id, &key))
        return MDB_BAD_VALSIZE;
    int rc = mdb_put(txn, store->former_owner, &key, &value, MDB_RESERVE);
    if (rc)
        return rc;
    bytes_put_64(value.mv_data, seq);
    if (owner.length)
        memcpy((char *)value.mv_data + SEQ_BYTES, owner.data, owner.length);
    return 0;
}

int former_owner_find(MDB_txn *txn, const struct store *store, unsigned collection, struct slice id,
                      bool *known, struct slice *owner)
{
    char bytes[KEY_BYTES];
    MDB_val key, value;
    bool empty;
    *known = false;
    *owner = (struct slice){0};
    int rc = is_empty(txn, store, &empty);
    if (rc || empty)
        return rc;
    if (!make_key(bytes, store->collections[collection].number, id, &key))
        return MDB_BAD_VALSIZE;
    rc = mdb_get(txn, store->former_owner, &key, &value);
    *known = !rc && value.mv_size >= SEQ_BYTES;
    if (*known)
        *owner = slice_of((char *)value.mv_data + SEQ_BYTES, value.mv_size - SEQ_BYTES);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int former_owner_forget(MDB_txn *txn, const struct store *store, unsigned collection, struct slice id)
{
    char bytes[KEY_BYTES];
    MDB_val key;
    bool empty;
    int rc = is_empty(txn, store, &empty);
    if (rc || empty)
        return rc;
    if (!make_key(bytes, store->collections[collection].number, id, &key))
        return MDB_BAD_VALSIZE;
    rc = mdb_del(txn, store->former_owner, &key, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int former_owner_trim(MDB_txn *txn, const struct store *store, uint16_t number, struct slice id, uint64_t seq)
{
    char bytes[KEY_BYTES];
    MDB_val key, value;
    bool empty;
    int rc = is_empty(txn, store, &empty);
    if (rc || empty || !make_key(bytes, number, id, &key))
        return rc;
    rc = mdb_get(txn, store->former_owner, &key, &value);
    if (!rc && (value.mv_size < SEQ_BYTES || bytes_get_64(value.mv_data) == seq))
        rc = mdb_del(txn, store->former_owner, &key, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}
