#include "shared/store/once.h"

#include "shared/store/bytes.h"
#include "shared/store/former_name.h"
#include "shared/store/keys.h"

enum { ONCE_HEADER = 16, EXPIRY_KEY = 8 + KEY_ONCE };

/** Makes the key: what was kept for a former user of the name is not found under it. An error of LMDB. */
static int make_key(MDB_txn *txn, const struct store *store, struct slice user, struct slice method,
                    struct slice key, unsigned char out[KEY_ONCE])
{
    uint64_t former;
    int rc = former_name_find(txn, store, COLLECTION_USERS, user, &former);
    if (!rc)
        key_once(out, user, former, method, key);
    return rc;
}

int once_get(struct store *store, MDB_txn *txn, struct slice user, struct slice method, struct slice key,
             uint64_t now_ms, struct slice *answer, uint64_t *seq)
{
    unsigned char hash[KEY_ONCE];
    MDB_val name = {sizeof hash, hash}, value;
    int rc = make_key(txn, store, user, method, key, hash);
    if (!rc)
        rc = mdb_get(txn, store->once, &name, &value);
    if (rc)
        return rc;
    struct slice bytes = store_slice(value), header;
    if (!bytes_take(&bytes, ONCE_HEADER, &header) || bytes_get_64(header.data) <= now_ms)
        return MDB_NOTFOUND;
    *answer = bytes;
    *seq = bytes_get_64(header.data + 8);
    return 0;
}

static void expiry_key(char out[EXPIRY_KEY], uint64_t expires_ms, const unsigned char hash[KEY_ONCE])
{
    bytes_put_64_big(out, expires_ms);
    memcpy(out + 8, hash, KEY_ONCE);
}

int once_put(struct store *store, MDB_txn *txn, struct slice user, struct slice method, struct slice key,
             uint64_t expires_ms, struct slice answer, uint64_t seq)
{
    unsigned char hash[KEY_ONCE];
    char expiry[EXPIRY_KEY];
    MDB_val name = {sizeof hash, hash}, order = {sizeof expiry, expiry}, value;
    int rc = make_key(txn, store, user, method, key, hash);
    if (rc)
        return rc;
    rc = mdb_get(txn, store->once, &name, &value);
    if (!rc && value.mv_size >= ONCE_HEADER) {
        /* An expired one that has not been trimmed yet. */
        expiry_key(expiry, bytes_get_64(value.mv_data), hash);
        rc = mdb_del(txn, store->once_expiry, &order, NULL);
    }
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    value = (MDB_val){ONCE_HEADER + answer.length, NULL};
    rc = mdb_put(txn, store->once, &name, &value, MDB_RESERVE);
    if (rc)
        return rc;
    char *at = value.mv_data;
    bytes_put_64(at, expires_ms);
    bytes_put_64(at + 8, seq);
    if (answer.length)
        memcpy(at + ONCE_HEADER, answer.data, answer.length);
    expiry_key(expiry, expires_ms, hash);
    value = (MDB_val){0, NULL};
    return mdb_put(txn, store->once_expiry, &order, &value, 0);
}

int once_trim(struct store *store, MDB_txn *txn, uint64_t now_ms, unsigned most)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, store->once_expiry, &cursor);
    if (rc)
        return rc;
    for (unsigned i = 0; i < most; i++) {
        MDB_val order, value;
        rc = mdb_cursor_get(cursor, &order, &value, MDB_FIRST);
        if (rc || order.mv_size != EXPIRY_KEY || bytes_get_64_big(order.mv_data) > now_ms)
            break;
        char hash[KEY_ONCE];
        memcpy(hash, (char *)order.mv_data + 8, KEY_ONCE);
        MDB_val name = {sizeof hash, hash};
        rc = mdb_del(txn, store->once, &name, NULL);
        if (!rc || rc == MDB_NOTFOUND)
            rc = mdb_cursor_del(cursor, 0);
        if (rc)
            break;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

bool store_once_get(struct store *store, struct slice user, struct slice method, struct slice key,
                    uint64_t now_ms, struct slice *answer, uint64_t *seq)
{
    int rc = once_get(store, store->snapshot, user, method, key, now_ms, answer, seq);
    if (rc && rc != MDB_NOTFOUND)
        store_error("a remembered answer cannot be read", rc);
    return rc == 0;
}
