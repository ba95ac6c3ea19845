#include "shared/store/store_once.h"

#include "shared/store/bytes.h"
#include "shared/store/environment.h"
#include "shared/store/former_name.h"

int store_once_key(MDB_txn *txn, const struct store *store, struct slice user, struct slice method,
                   struct slice key, unsigned char out[KEY_ONCE])
{
    uint64_t former;
    int rc = former_name_find(txn, store, COLLECTION_USERS, user, &former);
    if (!rc)
        key_once(out, user, former, method, key);
    return rc;
}

int store_once_find(struct store *store, MDB_txn *txn, struct slice user, struct slice method,
                    struct slice key, uint64_t now_ms, struct slice *answer, uint64_t *seq)
{
    unsigned char hash[KEY_ONCE];
    MDB_val name = {sizeof hash, hash}, value;
    int rc = store_once_key(txn, store, user, method, key, hash);
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

bool store_once_get(struct store *store, struct slice user, struct slice method, struct slice key,
                    uint64_t now_ms, struct slice *answer, uint64_t *seq)
{
    int rc = store_once_find(store, store->snapshot, user, method, key, now_ms, answer, seq);
    if (rc && rc != MDB_NOTFOUND)
        store_error("a remembered answer cannot be read", rc);
    return rc == 0;
}
