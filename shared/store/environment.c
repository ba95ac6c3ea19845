#include "shared/store/environment.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/store/bytes.h"

enum { READERS_MOST = 512, SHARED_DATABASES = 6, DBI_SPARE = 16, USAGE_STEPS = 20000 };

enum error_code store_error(const char *what, int rc)
{
    /* A transaction that touches too many pages is like one that does not fit: its sets are tried one
     * by one. */
    if (rc == MDB_MAP_FULL || rc == MDB_TXN_FULL || rc == ENOSPC || rc == EDQUOT || rc == EFBIG)
        return ERROR_STORE_FULL;
    log_error("store: %s: %s", what, mdb_strerror(rc));
    return ERROR_INTERNAL;
}

bool store_refuse(const struct store *store, const char *what, int rc, char message[STORE_MESSAGE])
{
    snprintf(message, STORE_MESSAGE, "%s: %s: %s", store->config->data, what, mdb_strerror(rc));
    return false;
}

bool store_state_read(struct store *store, MDB_txn *txn, struct store_state *state)
{
    MDB_val key = store_val(SLICE("state")), value;
    if (mdb_get(txn, store->meta, &key, &value) || value.mv_size != STORE_STATE_BYTES)
        return false;
    const char *at = value.mv_data;
    state->epoch = bytes_get_64(at);
    state->seq = bytes_get_64(at + 8);
    state->horizon = bytes_get_64(at + 16);
    state->rights_seq = bytes_get_64(at + 24);
    return true;
}

uint64_t store_free_pages(struct store *store, uint64_t enough)
{
    /* Database 0 is LMDB's own list of free pages: lists of page numbers, each with its length in front. Only
     * a transaction that reads may look at it. */
    MDB_txn *txn;
    MDB_cursor *cursor;
    uint64_t pages = 0;
    if (mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn))
        return 0;
    if (!mdb_cursor_open(txn, 0, &cursor)) {
        MDB_val key, value;
        for (unsigned step = 0;
             step < USAGE_STEPS && pages < enough && !mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
             step++) {
            size_t count;
            if (value.mv_size >= sizeof count) {
                memcpy(&count, value.mv_data, sizeof count);
                pages += count;
            }
        }
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return pages;
}

/* ---- opening ---- */

bool store_directory_check(const struct config *config, int rights, char message[STORE_MESSAGE])
{
    struct stat status;
    if (stat(config->data, &status) < 0) {
        snprintf(message, STORE_MESSAGE, "%s: the data directory cannot be used: %m", config->data);
        return false;
    }
    if (!S_ISDIR(status.st_mode)) {
        snprintf(message, STORE_MESSAGE, "%s: is not a directory", config->data);
        return false;
    }
    if (access(config->data, rights) < 0) {
        snprintf(message, STORE_MESSAGE, "%s: the data directory is not %s for user %u: %m", config->data,
                 rights & W_OK ? "writable" : "readable", (unsigned)geteuid());
        return false;
    }
    return true;
}

void store_environment_explain(const struct config *config, int rc, char message[STORE_MESSAGE])
{
    const char *data = config->data;
    if (rc == ENOENT)
        snprintf(message, STORE_MESSAGE, "%s: there is no store yet", data);
    else if (rc == MDB_INVALID)
        snprintf(message, STORE_MESSAGE, "%s/data.mdb: is not a store of dispatchd, or is damaged", data);
    else if (rc == MDB_VERSION_MISMATCH)
        snprintf(message, STORE_MESSAGE, "%s/data.mdb: was written with another version of LMDB", data);
    else if (rc == ENOMEM)
        snprintf(message, STORE_MESSAGE,
                 "%s: no address space for map_bytes = %llu; give a smaller map_bytes or raise the limit",
                 data, (unsigned long long)config->map_bytes);
    else
        snprintf(message, STORE_MESSAGE, "%s: the store cannot be opened: %s", data, mdb_strerror(rc));
}

static unsigned databases_wanted(const struct config *config)
{
    size_t count = SHARED_DATABASES + DBI_SPARE;
    for (size_t i = 0; i < config->collection_count; i++)
        count += 1 + config->collections[i].unique_count + config->collections[i].index_field_count;
    return (unsigned)count;
}

static int open_environment(struct store *store, unsigned flags)
{
    const struct config *config = store->config;
    int rc = mdb_env_create(&store->env);
    if (!rc)
        rc = mdb_env_set_mapsize(store->env, config->map_bytes);
    if (!rc)
        rc = mdb_env_set_maxdbs(store->env, databases_wanted(config));
    if (!rc)
        rc = mdb_env_set_maxreaders(store->env, READERS_MOST);
    if (!rc)
        rc = mdb_env_open(store->env, config->data, flags | MDB_NOTLS, 0600);
    return rc;
}

static void collections_prepare(struct store *store)
{
    const struct config *config = store->config;
    store->collection_count = config->collection_count;
    store->collections = memory_zeroed(config->collection_count, sizeof *store->collections);
    for (size_t i = 0; i < config->collection_count; i++) {
        const struct config_collection *declared = &config->collections[i];
        struct store_collection *collection = &store->collections[i];
        collection->config = declared;
        collection->index_count = declared->unique_count + declared->index_field_count;
        collection->indexes = memory_zeroed(collection->index_count, sizeof *collection->indexes);
        for (size_t k = 0; k < collection->index_count; k++) {
            bool unique = k < declared->unique_count;
            const char *field =
                unique ? declared->unique[k] : declared->index_fields[k - declared->unique_count];
            collection->indexes[k] = (struct store_index){slice_text(field), unique, 0};
        }
    }
}

struct store *store_environment_open(const struct config *config, unsigned flags, char message[STORE_MESSAGE])
{
    if (sodium_init() < 0)
        log_fatal("libsodium cannot be initialised");
    struct store *store = memory_zeroed(1, sizeof *store);
    store->config = config;
    collections_prepare(store);
    int rc = open_environment(store, flags);
    if (rc) {
        store_environment_explain(config, rc, message);
        store_close(&store);
    }
    return store;
}
