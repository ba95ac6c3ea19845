#include "client/bench/bare_lmdb.h"

#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/bench/bench.h"
#include "client/bench/bench_document.h"
#include "shared/base/memory.h"

enum { PATH_BYTES = 512 };

struct bare_lmdb {
    char path[PATH_BYTES];
    MDB_env *environment;
    MDB_dbi database;
};

static char left_behind[PATH_BYTES]; /* removed when the program ends early */

static void remove_directory(void)
{
    char file[PATH_BYTES + 16];
    if (!*left_behind)
        return;
    snprintf(file, sizeof file, "%s/data.mdb", left_behind);
    unlink(file);
    snprintf(file, sizeof file, "%s/lock.mdb", left_behind);
    unlink(file);
    rmdir(left_behind);
    *left_behind = 0;
}

static void lmdb_must(int result)
{
    if (result != MDB_SUCCESS)
        bench_fail("LMDB: %s", mdb_strerror(result));
}

struct bare_lmdb *bare_lmdb_open(const char *directory)
{
    struct bare_lmdb *bare = memory_zeroed(1, sizeof *bare);
    snprintf(bare->path, sizeof bare->path, "%s/dispatchbench-XXXXXX", directory);
    if (!mkdtemp(bare->path))
        bench_fail("%s: %s", directory, strerror(errno));
    memcpy(left_behind, bare->path, sizeof left_behind);
    atexit(remove_directory);
    MDB_txn *transaction;
    lmdb_must(mdb_env_create(&bare->environment));
    lmdb_must(mdb_env_set_mapsize(bare->environment, (size_t)64 << 30));
    lmdb_must(mdb_env_set_maxdbs(bare->environment, 4));
    lmdb_must(mdb_env_open(bare->environment, bare->path, MDB_NOTLS, 0600));
    lmdb_must(mdb_txn_begin(bare->environment, NULL, 0, &transaction));
    lmdb_must(mdb_dbi_open(transaction, "documents", MDB_CREATE, &bare->database));
    lmdb_must(mdb_txn_commit(transaction));
    return bare;
}

void bare_lmdb_close(struct bare_lmdb *bare)
{
    mdb_env_close(bare->environment);
    remove_directory();
    free(bare);
}

static void lmdb_put(struct bare_lmdb *bare, MDB_txn *transaction, struct slice id, struct slice document)
{
    MDB_val key = {id.length, (void *)(uintptr_t)id.data},
            value = {document.length, (void *)(uintptr_t)document.data};
    lmdb_must(mdb_put(transaction, bare->database, &key, &value, 0));
}

double bare_lmdb_write(struct bare_lmdb *bare, const char *run, uint64_t from, uint64_t to, uint64_t batch,
                       uint64_t document_bytes, bool durable)
{
    lmdb_must(mdb_env_set_flags(bare->environment, MDB_NOSYNC, !durable));
    struct buffer documents = {0}, id = {0};
    uint64_t took = 0;
    while (from < to) {
        uint64_t end = to - from > batch ? from + batch : to;
        buffer_clear(&documents);
        for (uint64_t i = from; i < end; i++)
            bench_document_append(&documents, run, i, bench_now_ns(), document_bytes);
        uint64_t began = bench_now_ns();
        MDB_txn *transaction;
        lmdb_must(mdb_txn_begin(bare->environment, NULL, 0, &transaction));
        for (uint64_t i = from; i < end; i++) {
            buffer_clear(&id);
            bench_document_append_id(&id, run, i);
            /* The id without its quotes is the key. */
            lmdb_put(bare, transaction, slice_of(id.data + 1, id.length - 2),
                     slice_of(documents.data + (i - from) * document_bytes, document_bytes));
        }
        lmdb_must(mdb_txn_commit(transaction));
        took += bench_now_ns() - began;
        from = end;
    }
    buffer_free(&documents);
    buffer_free(&id);
    return (double)took / 1e9;
}

double bare_lmdb_scan(struct bare_lmdb *bare, uint64_t *documents, uint64_t *bytes)
{
    static volatile uint64_t sink; /* so that the reading is not left out */
    uint64_t began = bench_now_ns(), sum = 0;
    MDB_txn *transaction;
    MDB_cursor *cursor;
    MDB_val key, value;
    *documents = *bytes = 0;
    lmdb_must(mdb_txn_begin(bare->environment, NULL, MDB_RDONLY, &transaction));
    lmdb_must(mdb_cursor_open(transaction, bare->database, &cursor));
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS) {
        const char *data = value.mv_data;
        for (size_t i = 0; i + 8 <= value.mv_size; i += 8) {
            uint64_t word;
            memcpy(&word, data + i, 8);
            sum += word;
        }
        ++*documents;
        *bytes += value.mv_size;
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(transaction);
    sink = sum;
    (void)sink;
    return bench_seconds(began, bench_now_ns());
}
