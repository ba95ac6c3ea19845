/*
 * How fast the store writes and reads, beside LMDB alone with the same documents and batches, in turns, in
 * the same directory. Not a test: it prints figures.
 *
 *   store_bench [DIRECTORY [SECONDS_FOR_EACH]]
 */

#include <fcntl.h>
#include <inttypes.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/committer/store/change_set_apply.h"
#include "daemon/committer/store/write.h"
#include "daemon/committer/store/write_open.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/base/random.h"
#include "shared/store/change_set.h"
#include "shared/store/read.h"
#include "shared/store/store_scan.h"
#include "shared/store/store_search.h"

enum { DOCUMENT_BYTES = 600, ROUNDS = 4, KEPT_IDS = 200000 };

static char (*ids)[RANDOM_ID_LENGTH + 1];
static size_t id_count;

struct bare {
    MDB_env *env;
    MDB_dbi documents, log;
    uint64_t seq;
};

static void must_succeed(int rc, const char *what)
{
    if (rc)
        log_fatal("%s: %s", what, mdb_strerror(rc));
}

static void bare_open(struct bare *bare, const char *directory, const struct config *config)
{
    mkdir(directory, 0700);
    must_succeed(mdb_env_create(&bare->env), "env");
    must_succeed(mdb_env_set_mapsize(bare->env, config->map_bytes), "map");
    must_succeed(mdb_env_set_maxdbs(bare->env, 4), "dbs");
    unsigned flags = MDB_NOTLS | (config->durability == DURABILITY_RELAXED ? MDB_NOMETASYNC : 0);
    must_succeed(mdb_env_open(bare->env, directory, flags, 0600), "open");
    MDB_txn *txn;
    must_succeed(mdb_txn_begin(bare->env, NULL, 0, &txn), "begin");
    must_succeed(mdb_dbi_open(txn, "documents", MDB_CREATE, &bare->documents), "dbi");
    must_succeed(mdb_dbi_open(txn, "log", MDB_CREATE, &bare->log), "dbi");
    must_succeed(mdb_txn_commit(txn), "commit");
}

static void make_body(char body[DOCUMENT_BYTES + 1])
{
    static unsigned number;
    int used = snprintf(
        body, DOCUMENT_BYTES + 1,
        "{\"name\":\"Tobacco mosaic virus %u\",\"abbreviation\":\"TMV%u\",\"number\":%u,\"isolates\":"
        "[{\"source\":\"isolate A\",\"sequences\":[1,2,3]},{\"source\":\"isolate B\"}],\"text\":\"",
        number, number % 1000, number);
    number++;
    memset(body + used, 'x', (size_t)(DOCUMENT_BYTES - 2 - used));
    memcpy(body + DOCUMENT_BYTES - 2, "\"}", 3);
}

static void keep_id(const char *id)
{
    if (id_count < KEPT_IDS)
        memcpy(ids[id_count++], id, RANDOM_ID_LENGTH + 1);
}

/** One transaction of @batch documents with LMDB alone. */
static void bare_batch(struct bare *bare, unsigned batch, bool with_log)
{
    MDB_txn *txn;
    must_succeed(mdb_txn_begin(bare->env, NULL, 0, &txn), "begin");
    for (unsigned i = 0; i < batch; i++) {
        char body[DOCUMENT_BYTES + 1], id[RANDOM_ID_LENGTH + 1];
        make_body(body);
        random_id(id);
        MDB_val key = {RANDOM_ID_LENGTH, id}, value = {DOCUMENT_BYTES, body};
        must_succeed(mdb_put(txn, bare->documents, &key, &value, 0), "put");
        if (!with_log)
            continue;
        uint64_t seq = __builtin_bswap64(++bare->seq);
        char entry[40] = {0};
        MDB_val seq_key = {sizeof seq, &seq}, entry_value = {sizeof entry, entry};
        must_succeed(mdb_put(txn, bare->log, &seq_key, &entry_value, MDB_APPEND), "log");
    }
    must_succeed(mdb_txn_commit(txn), "commit");
}

static void add_insert(struct buffer *set, const char *collection)
{
    char body[DOCUMENT_BYTES + 1], id[RANDOM_ID_LENGTH + 1];
    make_body(body);
    random_id(id);
    keep_id(id);
    change_set_add(set, &(struct change){CHANGE_INSERT, 0, CHANGE_ANY_VERSION, slice_text(collection),
                                         slice_of(id, RANDOM_ID_LENGTH), slice_of(body, DOCUMENT_BYTES)});
}

/** One transaction of @batch documents: in one set, or a set each. */
static void store_batch(struct writer *writer, unsigned batch, bool one_set, const char *collection)
{
    static struct buffer set;
    struct apply_result result;
    if (store_write_begin(writer))
        log_fatal("begin");
    for (unsigned i = 0; i < batch;) {
        buffer_clear(&set);
        change_set_begin(&set, CHANGE_UNBOUNDED, one_set ? ANSWER_LIST : ANSWER_ID_VERSION,
                         (struct slice){0});
        do
            add_insert(&set, collection);
        while (++i < batch && one_set);
        if (change_set_apply(writer, buffer_slice(&set), 1, &result))
            log_fatal("apply: %s", result.message);
    }
    if (store_write_commit(writer))
        log_fatal("commit");
}

struct rate {
    uint64_t documents, us;
};

static double per_second(struct rate rate)
{
    return (double)rate.documents * 1e6 / (double)rate.us;
}

static void compare_both(struct writer *writer, struct bare *bare, unsigned batch, bool one_set,
                         double seconds)
{
    enum { BARE, BARE_LOG, PLAIN, INDEXED, KINDS };
    static const char *const names[] = {"LMDB alone", "LMDB, document and log", "store",
                                        "store, projector and 2 indexes"};
    struct rate rates[KINDS] = {0};
    for (int round = 0; round < ROUNDS; round++)
        for (int kind = 0; kind < KINDS; kind++) {
            uint64_t start = clock_monotonic_us(), end = start + (uint64_t)(seconds * 1e6 / ROUNDS), now;
            do {
                if (kind <= BARE_LOG)
                    bare_batch(bare, batch, kind == BARE_LOG);
                else
                    store_batch(writer, batch, one_set, kind == PLAIN ? "plain" : "viruses");
                rates[kind].documents += batch;
                now = clock_monotonic_us();
            } while (now < end);
            rates[kind].us += now - start;
        }
    printf("%u documents a transaction, %s:\n", batch, one_set ? "one set" : "a set each");
    for (int kind = 0; kind < KINDS; kind++)
        printf("  %-32s %9.0f documents/s  %5.1f %%\n", names[kind], per_second(rates[kind]),
               100 * per_second(rates[kind]) / per_second(rates[BARE]));
    fflush(stdout);
}

static void read_speed(struct store *store, const struct config *config)
{
    enum { READS = 500000 };
    unsigned collection = config_collection(config, SLICE("plain"))->index;
    struct store_record record;
    size_t found = 0;
    uint64_t start = clock_monotonic_us();
    for (unsigned i = 0; i < READS; i++) {
        if (store_begin(store))
            log_fatal("begin");
        const char *id = ids[(i * UINT64_C(2654435761)) % id_count];
        found += store_get(store, collection, slice_of(id, RANDOM_ID_LENGTH), &record) == ERROR_NONE;
        store_end(store);
    }
    uint64_t us = clock_monotonic_us() - start;
    printf("begin, get, end: %.2f us each, %.0f/s (%zu found)\n", (double)us / READS,
           READS * 1e6 / (double)us, found);

    struct store_scan scan;
    struct slice id;
    size_t count = 0, bytes = 0;
    start = clock_monotonic_us();
    store_scan_start(&scan, collection, (struct slice){0}, (struct slice){0});
    if (store_begin(store))
        log_fatal("begin");
    store_scan_resume(store, &scan);
    while (store_scan_step(&scan, &id, &record) == STORE_STEP) {
        count++;
        bytes += record.minimal.length;
    }
    store_scan_pause(&scan);
    store_end(store);
    store_scan_free(&scan);
    us = clock_monotonic_us() - start;
    printf("scan: %zu documents (%zu bytes), %.1f million documents/s\n", count, bytes,
           (double)count / (double)us);
}

int main(int argc, char **argv)
{
    const char *directory = argc > 1 ? argv[1] : "/tmp/store-bench";
    double seconds = argc > 2 ? atof(argv[2]) : 4;
    static const char text[] =
        "{\"collections\":{\"plain\":{},\"viruses\":{\"projector\":[\"name\",\"abbreviation\"],"
        "\"unique\":[\"name\"],\"index\":[\"abbreviation\"]}}}";
    char message[CONFIG_MESSAGE];
    ids = memory_zeroed(KEPT_IDS, sizeof *ids);
    for (int relaxed = 0; relaxed < 2; relaxed++) {
        struct config *config = config_defaults();
        if (!config_read_text(config, "bench", text, sizeof text - 1, message))
            log_fatal("%s", message);
        char path[2][512];
        mkdir(directory, 0700);
        snprintf(path[0], sizeof path[0], "%s/store%d", directory, relaxed);
        snprintf(path[1], sizeof path[1], "%s/bare%d", directory, relaxed);
        free(config->data);
        config->data = memory_copy(path[0], strlen(path[0]));
        config->durability = relaxed ? DURABILITY_RELAXED : DURABILITY_FULL;
        struct bare bare = {0};
        bare_open(&bare, path[1], config);
        struct writer *writer = store_write_open(config, NULL, message);
        if (!writer)
            log_fatal("%s", message);
        printf("-- durability %s, documents of %d bytes, random ids\n", relaxed ? "relaxed" : "full",
               DOCUMENT_BYTES);
        id_count = 0;
        compare_both(writer, &bare, 1, false, seconds);
        compare_both(writer, &bare, 256, false, seconds);
        compare_both(writer, &bare, 1000, true, seconds);
        id_count = id_count ? id_count : 1;
        read_speed(store_write_reader(writer), config);
        store_write_close(&writer);
        mdb_env_close(bare.env);
        config_free(config);
    }
    free(ids);
    return 0;
}
