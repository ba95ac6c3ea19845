#include "daemon/committer/store/version_floor.h"

#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/store/bytes.h"
#include "shared/store/databases.h"

enum { FLOOR_BYTES = 8 };

static int floor_read(struct store *store, MDB_txn *txn, const struct store_collection *collection,
                      uint64_t *floor)
{
    char name[META_KEY_MOST];
    MDB_val key = store_val(store_meta_key(name, "versions", collection)), value;
    int rc = mdb_get(txn, store->meta, &key, &value);
    *floor = 0;
    if (rc)
        return rc == MDB_NOTFOUND ? 0 : rc;
    if (value.mv_size != FLOOR_BYTES)
        return MDB_CORRUPTED;
    *floor = bytes_get_64(value.mv_data);
    return 0;
}

struct version_floor *version_floors_load(struct store *store)
{
    struct version_floor *floors = memory_zeroed(store->collection_count, sizeof *floors);
    MDB_txn *txn;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    for (size_t i = 0; !rc && i < store->collection_count; i++) {
        uint64_t floor;
        rc = floor_read(store, txn, &store->collections[i], &floor);
        floors[i] = (struct version_floor){floor, floor, floor};
    }
    if (rc)
        log_fatal("store: where versions begin cannot be read: %s", mdb_strerror(rc));
    mdb_txn_abort(txn);
    return floors;
}

void version_floor_raise(struct version_floor *floor, uint64_t version)
{
    if (floor->staged <= version)
        floor->staged = version + 1;
}

void version_floors_settle(struct version_floor *floors, size_t count, bool applied)
{
    for (size_t i = 0; i < count; i++)
        if (applied)
            floors[i].now = floors[i].staged;
        else
            floors[i].staged = floors[i].now;
}

int version_floors_store(struct store *store, MDB_txn *txn, const struct version_floor *floors)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < store->collection_count; i++) {
        char name[META_KEY_MOST], bytes[FLOOR_BYTES];
        if (floors[i].now == floors[i].stored)
            continue;
        bytes_put_64(bytes, floors[i].now);
        MDB_val key = store_val(store_meta_key(name, "versions", &store->collections[i])),
                value = {sizeof bytes, bytes};
        rc = mdb_put(txn, store->meta, &key, &value, 0);
    }
    return rc;
}

void version_floors_end(struct version_floor *floors, size_t count, bool committed)
{
    for (size_t i = 0; i < count; i++) {
        if (committed)
            floors[i].stored = floors[i].now;
        floors[i].now = floors[i].staged = floors[i].stored;
    }
}
