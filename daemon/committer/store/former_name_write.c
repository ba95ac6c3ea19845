#include "daemon/committer/store/former_name_write.h"

#include "shared/store/bytes.h"
#include "shared/store/former_name.h"

int former_name_put(MDB_txn *txn, const struct store *store, unsigned collection, struct slice name,
                    uint64_t seq)
{
    char bytes[FORMER_NAME_KEY], number[FORMER_NAME_SEQ];
    MDB_val key, value = {sizeof number, number};
    if (!former_name_key(bytes, store, collection, name, &key))
        return MDB_BAD_VALSIZE;
    bytes_put_64(number, seq);
    return mdb_put(txn, store->former_name, &key, &value, 0);
}
