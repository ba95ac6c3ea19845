#include "shared/store/store.h"

#include <stdlib.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/store/databases.h"
#include "shared/store/environment.h"

struct store *store_open(const struct config *config, char message[STORE_MESSAGE])
{
    message[0] = '\0';
    if (!store_directory_check(config, R_OK | X_OK, message))
        return NULL;
    struct store *store = store_environment_open(config, MDB_RDONLY, message);
    if (!store)
        return NULL;
    store_check_readers(store);
    if (!store_databases_open(store, message))
        store_close(&store);
    return store;
}

void store_close(struct store **store)
{
    struct store *old = *store;
    if (!old)
        return;
    if (old->snapshot)
        mdb_txn_abort(old->snapshot);
    if (old->env)
        mdb_env_close(old->env);
    for (size_t i = 0; i < old->collection_count; i++)
        free(old->collections[i].indexes);
    free(old->collections);
    free(old->by_number);
    free(old);
    *store = NULL;
}

void store_check_readers(struct store *store)
{
    int dead = 0;
    int rc = mdb_reader_check(store->env, &dead);
    if (rc)
        log_warning("store: reader slots cannot be checked: %s", mdb_strerror(rc));
    else if (dead)
        log_notice("store: %d reader slots of dead processes removed", dead);
}

void store_usage(struct store *store, uint64_t *used_bytes, uint64_t *map_bytes)
{
    MDB_envinfo info;
    MDB_stat status;
    *used_bytes = *map_bytes = 0;
    if (mdb_env_info(store->env, &info) || mdb_env_stat(store->env, &status))
        return;
    *map_bytes = info.me_mapsize;
    uint64_t unused = store_free_pages(store, UINT64_MAX);
    uint64_t pages = info.me_last_pgno + 1;
    *used_bytes = (pages > unused ? pages - unused : 0) * status.ms_psize;
}
