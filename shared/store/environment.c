#include "shared/store/environment.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/store/bytes.h"
#include "shared/store/write.h"

enum {
    READERS_MOST = 512,
    SHARED_DATABASES = 6,
    DBI_SPARE = 16,
    USAGE_STEPS = 20000,
    DISK_LITTLE = 16 * 1024 * 1024
};

enum error_code store_error(const char *what, int rc)
{
    /* A transaction that touches too many pages is like one that does not fit: its sets are tried one
     * by one. */
    if (rc == MDB_MAP_FULL || rc == MDB_TXN_FULL || rc == ENOSPC || rc == EDQUOT || rc == EFBIG)
        return ERROR_STORE_FULL;
    log_error("store: %s: %s", what, mdb_strerror(rc));
    return ERROR_INTERNAL;
}

enum error_code store_write_error(struct store *store, const char *what, int rc)
{
    /* LMDB says EIO when only a part of its pages could be written, as on a disk that is just full. */
    struct statvfs disk;
    if (rc == EIO && statvfs(store->config->data, &disk) == 0 &&
        (uint64_t)disk.f_bavail * disk.f_frsize < DISK_LITTLE)
        rc = ENOSPC;
    return store_error(what, rc);
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

int store_state_write(struct store *store, MDB_txn *txn, const struct store_state *state)
{
    char bytes[STORE_STATE_BYTES];
    bytes_put_64(bytes, state->epoch);
    bytes_put_64(bytes + 8, state->seq);
    bytes_put_64(bytes + 16, state->horizon);
    bytes_put_64(bytes + 24, state->rights_seq);
    MDB_val key = store_val(SLICE("state")), value = {sizeof bytes, bytes};
    return mdb_put(txn, store->meta, &key, &value, 0);
}

/* ---- opening ---- */

static bool directory_ready(const struct config *config, enum store_mode mode, char message[STORE_MESSAGE])
{
    if (mode == STORE_WRITE && mkdir(config->data, 0700) < 0 && errno != EEXIST) {
        snprintf(message, STORE_MESSAGE, "%s: the data directory cannot be made: %m", config->data);
        return false;
    }
    struct stat status;
    if (stat(config->data, &status) < 0) {
        snprintf(message, STORE_MESSAGE, "%s: the data directory cannot be used: %m", config->data);
        return false;
    }
    if (!S_ISDIR(status.st_mode)) {
        snprintf(message, STORE_MESSAGE, "%s: is not a directory", config->data);
        return false;
    }
    if (access(config->data, mode == STORE_WRITE ? R_OK | W_OK | X_OK : R_OK | X_OK) < 0) {
        snprintf(message, STORE_MESSAGE, "%s: the data directory is not %s for user %u: %m", config->data,
                 mode == STORE_WRITE ? "writable" : "readable", (unsigned)geteuid());
        return false;
    }
    return true;
}

static void explain_open(const struct config *config, int rc, char message[STORE_MESSAGE])
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

static int environment_open(struct store *store)
{
    const struct config *config = store->config;
    /* Relaxed leaves out the second of the two syncs of a commit: after a power failure the last commits may
     * be gone, but the file is whole. MDB_NOSYNC would be faster and could leave a file that nothing can
     * read. */
    unsigned flags = MDB_NOTLS;
    if (store->mode == STORE_READ)
        flags |= MDB_RDONLY;
    else if (config->durability == DURABILITY_RELAXED)
        flags |= MDB_NOMETASYNC;
    int rc = mdb_env_create(&store->env);
    if (!rc)
        rc = mdb_env_set_mapsize(store->env, config->map_bytes);
    if (!rc)
        rc = mdb_env_set_maxdbs(store->env, databases_wanted(config));
    if (!rc)
        rc = mdb_env_set_maxreaders(store->env, READERS_MOST);
    if (!rc)
        rc = mdb_env_open(store->env, config->data, flags, 0600);
    if (!rc && store->mode == STORE_WRITE)
        rc = room_open(store);
    return rc;
}

/* ---- a file that is shorter than it says ---- */

/** How many of the pages from @first on are on LMDB's list of free ones. False: the list cannot be read. */
static bool free_pages_from(struct store *store, size_t first, size_t *pages)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    *pages = 0;
    if (mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn))
        return false;
    int rc = mdb_cursor_open(txn, 0, &cursor);
    if (rc) {
        mdb_txn_abort(txn);
        return false;
    }
    MDB_val key, value;
    while (!(rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)))
        for (size_t at = sizeof(size_t); at + sizeof(size_t) <= value.mv_size; at += sizeof(size_t)) {
            size_t page, count;
            memcpy(&count, value.mv_data, sizeof count);
            memcpy(&page, (char *)value.mv_data + at, sizeof page);
            *pages += at / sizeof(size_t) <= count && page >= first;
        }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return rc == MDB_NOTFOUND;
}

/**
 * Reading a page behind the end of the file would kill the process. A file may rightly end early, when its
 * last pages were never written because they were free again at once; otherwise somebody cut it.
 */
static bool length_check(struct store *store, char message[STORE_MESSAGE])
{
    MDB_envinfo info;
    MDB_stat status;
    struct stat file;
    int fd;
    if (mdb_env_info(store->env, &info) || mdb_env_stat(store->env, &status) ||
        mdb_env_get_fd(store->env, &fd) || fstat(fd, &file) < 0)
        return true;
    size_t there = (size_t)file.st_size / status.ms_psize, wanted = info.me_last_pgno + 1, unwritten;
    if (there >= wanted)
        return true;
    /* Made long enough to look at the list of free pages, which may itself be in the part that is gone. */
    if (ftruncate(fd, (off_t)(wanted * status.ms_psize)) < 0) {
        snprintf(message, STORE_MESSAGE, "%s/data.mdb: cannot be made longer: %m", store->config->data);
        return false;
    }
    if (free_pages_from(store, there, &unwritten) && unwritten == wanted - there)
        return true;
    if (ftruncate(fd, file.st_size) < 0)
        log_warning("store: %s/data.mdb: cannot be given back its length: %m", store->config->data);
    snprintf(message, STORE_MESSAGE,
             "%s/data.mdb: is cut short: it has %zu of %zu pages; restore it from a copy",
             store->config->data, there, wanted);
    return false;
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

static struct store *open_store(const struct config *config, enum store_mode mode,
                                const struct store_run *run, char message[STORE_MESSAGE])
{
    message[0] = '\0';
    if (!directory_ready(config, mode, message))
        return NULL;
    if (sodium_init() < 0)
        log_fatal("libsodium cannot be initialised");
    struct store *store = memory_zeroed(1, sizeof *store);
    store->config = config;
    store->mode = mode;
    store->run = run;
    collections_prepare(store);
    int rc = environment_open(store);
    if (rc) {
        explain_open(config, rc, message);
        store_close(&store);
        return NULL;
    }
    store_check_readers(store);
    if ((mode == STORE_WRITE && !length_check(store, message)) || !store_databases_open(store, message)) {
        store_close(&store);
        return NULL;
    }
    if (mode == STORE_WRITE)
        store->writer = writer_new(store);
    store->run = NULL;
    return store;
}

struct store *store_open(const struct config *config, enum store_mode mode, char message[STORE_MESSAGE])
{
    return open_store(config, mode, NULL, message);
}

struct store *store_open_run(const struct config *config, const struct store_run *run,
                             char message[STORE_MESSAGE])
{
    return open_store(config, STORE_WRITE, run, message);
}

void store_close(struct store **store)
{
    struct store *old = *store;
    if (!old)
        return;
    writer_free(old);
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

/* ---- care ---- */

void store_check_readers(struct store *store)
{
    int dead = 0;
    int rc = mdb_reader_check(store->env, &dead);
    if (rc)
        log_warning("store: reader slots cannot be checked: %s", mdb_strerror(rc));
    else if (dead)
        log_notice("store: %d reader slots of dead processes removed", dead);
}

enum error_code store_sync(struct store *store)
{
    int rc = mdb_env_sync(store->env, 1);
    return rc ? store_error("the store cannot be synced", rc) : ERROR_NONE;
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
