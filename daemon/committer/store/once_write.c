#include "daemon/committer/store/once_write.h"

#include "shared/store/bytes.h"
#include "shared/store/store_once.h"

enum { EXPIRY_KEY = 8 + KEY_ONCE };

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
    int rc = store_once_key(txn, store, user, method, key, hash);
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
