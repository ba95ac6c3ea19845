#include "daemon/committer/store/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "daemon/committer/store/principal.h"
#include "daemon/committer/store/write.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"

enum { DISK_LITTLE = 16 * 1024 * 1024 };

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
    index_keys_free(&writer->old_keys);
    index_keys_free(&writer->new_keys);
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
