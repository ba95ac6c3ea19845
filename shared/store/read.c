#include "shared/store/read.h"

#include "shared/base/log.h"
#include "shared/store/environment.h"

static int snapshot_take(struct store *store)
{
    if (store->snapshot)
        return mdb_txn_renew(store->snapshot);
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->snapshot);
    if (rc)
        store->snapshot = NULL;
    return rc;
}

enum error_code store_begin(struct store *store)
{
    if (store->reading)
        log_fatal("store: a snapshot was taken while one is held");
    int rc = snapshot_take(store);
    if (rc == MDB_MAP_RESIZED) {
        /* The writer was started with a larger map than this process. */
        mdb_env_set_mapsize(store->env, 0);
        rc = snapshot_take(store);
    } else if (rc == MDB_READERS_FULL) {
        store_check_readers(store);
        rc = snapshot_take(store);
    }
    if (rc)
        return store_error("no snapshot can be taken", rc);
    store->reading = true;
    return ERROR_NONE;
}

void store_end(struct store *store)
{
    if (!store->reading)
        log_fatal("store: a snapshot was ended that was not taken");
    mdb_txn_reset(store->snapshot);
    store->reading = false;
}

/** What is stored about the whole store, read again only when something was committed since. */
static const struct store_state *current_state(struct store *store)
{
    size_t current = mdb_txn_id(store->snapshot);
    if (store->state_of != current) {
        if (!store_state_read(store, store->snapshot, &store->state))
            log_fatal("store: %s/data.mdb is damaged: it has no state", store->config->data);
        store->state_of = current;
    }
    return &store->state;
}

uint64_t store_seq(struct store *store)
{
    return current_state(store)->seq;
}

uint64_t store_rights_seq(struct store *store)
{
    return current_state(store)->rights_seq;
}

uint64_t store_log_horizon(struct store *store)
{
    return current_state(store)->horizon;
}

uint64_t store_epoch(struct store *store)
{
    if (store->reading)
        return current_state(store)->epoch;
    if (store->state_of == 0 && store_begin(store) == ERROR_NONE) {
        uint64_t epoch = current_state(store)->epoch;
        store_end(store);
        return epoch;
    }
    return store->state.epoch;
}

enum error_code store_get(struct store *store, unsigned collection, struct slice id, struct store_record *out)
{
    if (id.length == 0 || id.length > STORE_ID_BYTES)
        return ERROR_NOT_FOUND;
    MDB_val key = store_val(id), value;
    int rc = mdb_get(store->snapshot, store->collections[collection].dbi, &key, &value);
    if (rc == MDB_NOTFOUND)
        return ERROR_NOT_FOUND;
    if (rc || !record_read(store_slice(value), out))
        return store_unreadable_document(store, rc, collection, id);
    return ERROR_NONE;
}

bool store_record_parse(struct store *store, unsigned collection, struct slice id,
                        const struct store_record *record, struct json *out)
{
    if (json_parse(out, record->full.data, record->full.length))
        return true;
    store_unreadable_document(store, 0, collection, id);
    return false;
}

enum error_code store_count(struct store *store, unsigned collection, uint64_t *count)
{
    MDB_stat status;
    int rc = mdb_stat(store->snapshot, store->collections[collection].dbi, &status);
    if (rc)
        return store_unreadable(store, rc, "the size of %s", store->collections[collection].config->name);
    *count = status.ms_entries;
    return ERROR_NONE;
}
