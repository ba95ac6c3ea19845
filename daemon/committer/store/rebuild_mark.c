#include "daemon/committer/store/rebuild_mark.h"

#include "shared/store/bytes.h"
#include "shared/store/databases.h"

/* Documents done, length of the declaration, declaration, position. Nothing at all: see
 * rebuild_mark_put(). */
enum { HEAD_BYTES = 8 + 4 };

static MDB_val mark_key(char key[META_KEY_MOST], const struct store_collection *collection)
{
    return store_val(store_meta_key(key, "rebuild", collection));
}

int rebuild_mark_put(struct store *store, MDB_txn *txn, const struct store_collection *collection,
                     const struct rebuild_mark *mark)
{
    char name[META_KEY_MOST];
    struct slice declared = store_declaration(collection);
    MDB_val key = mark_key(name, collection), value = {0, NULL};
    if (!mark)
        return mdb_put(txn, store->meta, &key, &value, 0);
    value.mv_size = HEAD_BYTES + declared.length + mark->position.length;
    int rc = mdb_put(txn, store->meta, &key, &value, MDB_RESERVE);
    if (rc)
        return rc;
    char *at = value.mv_data;
    bytes_put_64(at, mark->done);
    bytes_put_32(at + 8, (uint32_t)declared.length);
    if (declared.length)
        memcpy(at + HEAD_BYTES, declared.data, declared.length);
    if (mark->position.length)
        memcpy(at + HEAD_BYTES + declared.length, mark->position.data, mark->position.length);
    return 0;
}

int rebuild_mark_remove(struct store *store, MDB_txn *txn, const struct store_collection *collection)
{
    char name[META_KEY_MOST];
    MDB_val key = mark_key(name, collection);
    int rc = mdb_del(txn, store->meta, &key, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

bool rebuild_mark_read(struct store *store, MDB_txn *txn, const struct store_collection *collection,
                       struct rebuild_mark *mark)
{
    char name[META_KEY_MOST];
    MDB_val key = mark_key(name, collection), value;
    if (mdb_get(txn, store->meta, &key, &value) || value.mv_size < HEAD_BYTES)
        return false;
    const char *at = value.mv_data;
    struct slice rest = slice_of(at + HEAD_BYTES, value.mv_size - HEAD_BYTES);
    size_t length = bytes_get_32(at + 8);
    if (length > rest.length || !slice_equal(slice_of(rest.data, length), store_declaration(collection)))
        return false;
    *mark = (struct rebuild_mark){bytes_get_64(at), slice_of(rest.data + length, rest.length - length)};
    return true;
}
