#include "shared/store/environment.h"

#include "shared/log.h"
#include "shared/store/record.h"

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
static const struct store_state *state(struct store *store)
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
    return state(store)->seq;
}

uint64_t store_rights_seq(struct store *store)
{
    return state(store)->rights_seq;
}

uint64_t store_log_horizon(struct store *store)
{
    return state(store)->horizon;
}

uint64_t store_epoch(struct store *store)
{
    if (store->reading)
        return state(store)->epoch;
    if (store->state_of == 0 && store_begin(store) == ERROR_NONE) {
        uint64_t epoch = state(store)->epoch;
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
    if (rc)
        return store_error("a document cannot be read", rc);
    if (!record_read(store_slice(value), out)) {
        log_error("store: the record of a document in %s is damaged",
                  store->collections[collection].config->name);
        return ERROR_INTERNAL;
    }
    return ERROR_NONE;
}

uint64_t store_count(struct store *store, unsigned collection)
{
    MDB_stat status;
    int rc = mdb_stat(store->snapshot, store->collections[collection].dbi, &status);
    if (rc) {
        store_error("documents cannot be counted", rc);
        return 0;
    }
    return status.ms_entries;
}
