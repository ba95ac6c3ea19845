#include "daemon/committer/store/write.h"

#include <stdio.h>

#include "daemon/committer/store/change_log_write.h"
#include "daemon/committer/store/clear.h"
#include "daemon/committer/store/once_write.h"
#include "daemon/committer/store/principal.h"
#include "daemon/committer/store/state_write.h"
#include "daemon/committer/store/writer.h"
#include "shared/base/log.h"

enum {
    TRIM_LEAST = 64, /* entries of the change log, and answers of `once`, in one transaction; */
    TRIM_FACTOR = 2, /* or so many for each change, so that trimming always catches up */
    RESULTS_KEY_MOST = 24,
    KEPT_BYTES = 4 * 1024 * 1024 /* working memory that stays from one transaction to the next */
};

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
    writer->clears = false;
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

static int finish_transaction(struct writer *writer)
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
        rc = state_write(store, writer->txn, &writer->state);
    return rc;
}

enum error_code store_write_commit(struct writer *writer)
{
    if (!writer->txn || writer->spoilt) {
        store_write_abort(writer);
        return ERROR_INTERNAL;
    }
    int rc = finish_transaction(writer);
    if (rc) {
        store_write_abort(writer);
        return writer_error(writer, "a transaction cannot be finished", rc);
    }
    rc = mdb_txn_commit(writer->txn);
    writer->txn = NULL;
    version_floors_end(writer->floors, writer->store->collection_count, !rc);
    if (rc) {
        writer->cleared = 0;
        principals_forget(writer->principals);
        writer->change_count = 0;
        writer->state = writer->before;
        return writer_error(writer, "a transaction cannot be committed", rc);
    }
    clear_end(writer);
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
    writer->cleared = 0; /* closed with the transaction that opened it */
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
