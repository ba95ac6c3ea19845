#include "daemon/committer/store/index_write.h"

#include "shared/store/keys.h"

static MDB_val full_key(char key[KEY_MOST], struct slice value, struct slice id)
{
    memcpy(key, value.data, value.length);
    memcpy(key + value.length, id.data, id.length);
    return (MDB_val){value.length + id.length, key};
}

int index_put(MDB_txn *txn, MDB_dbi dbi, struct slice value, struct slice id)
{
    char bytes[KEY_MOST];
    MDB_val key = full_key(bytes, value, id), nothing = {0, NULL};
    return mdb_put(txn, dbi, &key, &nothing, 0);
}

int index_remove(MDB_txn *txn, MDB_dbi dbi, struct slice value, struct slice id)
{
    char bytes[KEY_MOST];
    MDB_val key = full_key(bytes, value, id);
    int rc = mdb_del(txn, dbi, &key, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/** The first entry with exactly this value whose id is not @self. */
static int find_other(MDB_cursor *cursor, struct slice value, struct slice self, struct slice *holder)
{
    MDB_val key = store_val(value), nothing;
    int rc = mdb_cursor_get(cursor, &key, &nothing, MDB_SET_RANGE);
    while (!rc) {
        struct slice found, id;
        if (!key_split(store_slice(key), &found, &id) || !slice_equal(found, value))
            return MDB_NOTFOUND;
        if (!slice_equal(id, self)) {
            *holder = id;
            return 0;
        }
        rc = mdb_cursor_get(cursor, &key, &nothing, MDB_NEXT);
    }
    return rc;
}

int index_holder(MDB_txn *txn, MDB_dbi dbi, struct slice value, struct slice self, struct slice *holder)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, dbi, &cursor);
    if (rc)
        return rc;
    rc = find_other(cursor, value, self, holder);
    if (rc == MDB_NOTFOUND) {
        char other[KEY_VALUE_MOST];
        other[0] = (char)((unsigned char)value.data[0] ^ KEY_IN_ARRAY);
        memcpy(other + 1, value.data + 1, value.length - 1);
        rc = find_other(cursor, slice_of(other, value.length), self, holder);
    }
    mdb_cursor_close(cursor);
    return rc;
}
