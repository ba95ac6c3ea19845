#include "shared/store/write.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/store/change_log_write.h"
#include "shared/store/once_write.h"
#include "shared/store/principal.h"
#include "shared/store/state_write.h"

enum {
    TRIM_LEAST = 64, /* entries of the change log, and answers of `once`, in one transaction; */
    TRIM_FACTOR = 2, /* or so many for each change, so that trimming always catches up */
    RESULTS_KEY_MOST = 24,
    DISK_LITTLE = 16 * 1024 * 1024,
    KEPT_BYTES = 4 * 1024 * 1024 /* working memory that stays from one transaction to the next */
};

struct writer *writer_new(struct store *store)
{
    struct writer *writer = memory_zeroed(1, sizeof *writer);
    writer->store = store;
    MDB_txn *txn;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    if (rc)
        log_fatal("store: the state cannot be read: %s", mdb_strerror(rc));
    if (!store_state_read(store, txn, &writer->state))
        log_fatal("store: %s/data.mdb is damaged: it has no state", store->config->data);
    mdb_txn_abort(txn);
    writer->before = writer->state;
    writer->floors = version_floors_load(store);
    writer->principals = principals_new();
    writer->cursors = memory_zeroed(store->collection_count, sizeof *writer->cursors);
    staging_clear(&writer->documents);
    staging_clear(&writer->uniques);
    return writer;
}

void writer_free(struct writer *writer)
{
    store_write_abort(writer);
    arena_free(&writer->arena);
    free(writer->cursors);
    free(writer->floors);
    principals_free(&writer->principals);
    free(writer->changes);
    free(writer->staged);
    free(writer->outcomes);
    staging_free(&writer->documents);
    staging_free(&writer->uniques);
    struct buffer *buffers[] = {&writer->patched, &writer->text,   &writer->minimal,
                                &writer->tag,     &writer->record, &writer->scratch};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
        buffer_free(buffers[i]);
    json_free(&writer->body);
    json_free(&writer->old);
    json_free(&writer->next);
    key_list_free(&writer->old_keys);
    key_list_free(&writer->new_keys);
    free(writer);
}

int writer_cursor(struct writer *writer, MDB_cursor **cursor, MDB_dbi dbi)
{
    return *cursor ? 0 : mdb_cursor_open(writer->txn, dbi, cursor);
}

void writer_cursor_close(MDB_cursor **cursor)
{
    if (*cursor)
        mdb_cursor_close(*cursor);
    *cursor = NULL;
}

enum error_code writer_error(struct writer *writer, const char *what, int rc)
{
    /* LMDB says EIO when only a part of its pages could be written, as on a disk that is just full. */
    struct statvfs disk;
    if (rc == EIO && statvfs(writer->store->config->data, &disk) == 0 &&
        (uint64_t)disk.f_bavail * disk.f_frsize < DISK_LITTLE)
        rc = ENOSPC;
    return store_error(what, rc);
}

static void close_cursors(struct writer *writer)
{
    for (size_t i = 0; i < writer->store->collection_count; i++)
        writer_cursor_close(&writer->cursors[i]);
    writer_cursor_close(&writer->log_cursor);
}

static void keep_little(struct buffer *buffer)
{
    if (buffer->capacity > KEPT_BYTES)
        buffer_free(buffer);
}

enum error_code store_write_begin(struct writer *writer)
{
    if (writer->txn)
        log_fatal("store: a write transaction was begun while one is open");
    arena_reset(&writer->arena);
    writer->change_count = 0;
    keep_little(&writer->patched);
    keep_little(&writer->text);
    keep_little(&writer->record);
    keep_little(&writer->scratch);
    int rc = mdb_txn_begin(writer->store->env, NULL, 0, &writer->txn);
    if (rc) {
        writer->txn = NULL;
        return store_error("a transaction cannot begin", rc);
    }
    writer->spoilt = false;
    writer->work = 0;
    writer->state = writer->before;
    room_begin(writer);
    return ERROR_NONE;
}

static struct slice results_key(char key[RESULTS_KEY_MOST], unsigned slot)
{
    int length = snprintf(key, RESULTS_KEY_MOST, "results/%u", slot);
    return slice_of(key, (size_t)length);
}

enum error_code store_write_results(struct writer *writer, unsigned slot, struct slice bytes)
{
    if (!writer->txn || writer->spoilt)
        return ERROR_INTERNAL;
    char name[RESULTS_KEY_MOST];
    MDB_val key = store_val(results_key(name, slot)), value = store_val(bytes);
    int rc = mdb_put(writer->txn, writer->store->meta, &key, &value, 0);
    if (!rc)
        return ERROR_NONE;
    writer->spoilt = true;
    return writer_error(writer, "results cannot be put", rc);
}

static int finish(struct writer *writer)
{
    struct store *store = writer->store;
    close_cursors(writer);
    uint64_t most = TRIM_LEAST + TRIM_FACTOR * (uint64_t)writer->change_count;
    int rc = change_log_trim(store, writer->txn, &writer->state, most);
    if (!rc)
        rc = once_trim(store, writer->txn, writer->now_ms, (unsigned)most);
    if (!rc)
        rc = version_floors_store(store, writer->txn, writer->floors);
    if (!rc && (writer->state.seq != writer->before.seq || writer->state.horizon != writer->before.horizon))
        rc = store_state_write(store, writer->txn, &writer->state);
    return rc;
}

enum error_code store_write_commit(struct writer *writer)
{
    if (!writer->txn || writer->spoilt) {
        store_write_abort(writer);
        return ERROR_INTERNAL;
    }
    int rc = finish(writer);
    if (rc) {
        store_write_abort(writer);
        return writer_error(writer, "a transaction cannot be finished", rc);
    }
    rc = mdb_txn_commit(writer->txn);
    writer->txn = NULL;
    version_floors_end(writer->floors, writer->store->collection_count, !rc);
    if (rc) {
        principals_forget(writer->principals);
        writer->change_count = 0;
        writer->state = writer->before;
        return writer_error(writer, "a transaction cannot be committed", rc);
    }
    writer->before = writer->state;
    return ERROR_NONE;
}

void store_write_abort(struct writer *writer)
{
    if (writer->txn) {
        close_cursors(writer);
        mdb_txn_abort(writer->txn);
    }
    writer->txn = NULL;
    writer->change_count = 0;
    writer->state = writer->before;
    version_floors_end(writer->floors, writer->store->collection_count, false);
    principals_forget(writer->principals);
}

uint64_t store_write_work(const struct writer *writer)
{
    return writer->work;
}

const struct applied_change *store_write_changes(const struct writer *writer, size_t *count)
{
    *count = writer->change_count;
    return writer->changes;
}

uint64_t store_write_seq(const struct writer *writer)
{
    return writer->before.seq;
}

void store_write_read_results(const struct writer *writer, unsigned slot, struct buffer *out)
{
    const struct store *store = writer->store;
    MDB_txn *txn;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    if (rc) {
        store_error("results cannot be read", rc);
        return;
    }
    char name[RESULTS_KEY_MOST];
    MDB_val key = store_val(results_key(name, slot)), value;
    rc = mdb_get(txn, store->meta, &key, &value);
    if (!rc)
        buffer_append_slice(out, store_slice(value));
    else if (rc != MDB_NOTFOUND)
        store_error("results cannot be read", rc);
    mdb_txn_abort(txn);
}

enum error_code store_write_sync(struct writer *writer)
{
    int rc = mdb_env_sync(writer->store->env, 1);
    return rc ? store_error("the store cannot be synced", rc) : ERROR_NONE;
}

struct store *store_write_reader(struct writer *writer)
{
    return writer->store;
}
