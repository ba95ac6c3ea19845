#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/bench/bare_lmdb.h"
#include "client/bench/bench_document.h"
#include "client/bench/bench_manifest.h"
#include "client/bench/loop.h"
#include "client/bench/peers.h"
#include "client/bench/report.h"
#include "client/bench/server.h"
#include "client/bench/setup.h"
#include "shared/base/memory.h"

/*
 * One client syncs a large collection three times: it holds everything, all but one document in a hundred,
 * nothing. Meanwhile other connections call `detail` at a steady pace: what do they notice? The documents
 * stay in the collection for the next run.
 */

enum { PROBES = 8, PROBE_INTERVAL_US = 2000, STALL_S = 30, SAMPLE_MS = 100, IMPORT_AT_ONCE = 1000 };
enum { STALE_EVERY = 100, QUIET_S = 2, BARE_BATCH = 10000 };

static const char sync_run[] = "syncdata"; /* the run's name in the ids: the same in every run */

struct probe {
    uint64_t sent_ns; /* 0: no call is open */
    uint64_t due_ns;
};

struct sync {
    struct bench *bench;
    struct loop loop;
    struct peer client;
    struct peer probes[PROBES];
    struct probe state[PROBES];
    struct buffer probe_call;
    struct server server;
    struct bench_manifest manifest;

    /* the pass */
    struct buffer *calls;
    size_t call_count, call_at;
    bool done;
    uint64_t announced, operations;
    uint64_t began_ns; /* of the pass */
    struct histogram latency;
    uint64_t memory_before, memory_most;
};

static uint64_t count_occurrences(struct slice text, const char *word, size_t length)
{
    uint64_t count = 0;
    const char *end = text.data + text.length;
    for (const char *at = text.data; (at = memmem(at, (size_t)(end - at), word, length)); at += length)
        count++;
    return count;
}

static void on_sync_message(struct peer *peer, struct slice text)
{
    struct sync *sync = peer->context;
    static const char ended[] = "\"sync\":true}";
    const size_t length = sizeof ended - 1;
    if (text.length > length && memcmp(text.data + text.length - length, ended, length) == 0) {
        sync->operations += count_occurrences(text, "{\"_id\":", 7);
        return;
    }
    size_t head = text.length < 200 ? text.length : 200;
    if (!memmem(text.data, head, "\"collectionName\":\"transaction\"", 30))
        return;
    if (memmem(text.data, head, "\"operation\":\"update\"", 20)) {
        const char *number = memmem(text.data, head, ",\"data\":", 8);
        number = number ? memmem(number + 8, head - (size_t)(number + 8 - text.data), ",\"data\":", 8) : NULL;
        sync->announced += number ? strtoull(number + 8, NULL, 10) : 0;
        return;
    }
    if (!memmem(text.data, head, "\"success\":true", 14))
        bench_fail("the server refused the sync: %.*s", (int)head, text.data);
    if (++sync->call_at < sync->call_count)
        peer_send(peer, buffer_slice(&sync->calls[sync->call_at]));
    else
        sync->done = true;
}

static void on_probe_message(struct peer *peer, struct slice text)
{
    struct sync *sync = peer->context;
    struct probe *probe = &sync->state[peer->index];
    if (!probe->sent_ns || !memmem(text.data, text.length < 60 ? text.length : 60, "\"fulfill\"", 9))
        return;
    /* One sent before this pass waited for the tool, which made the manifests meanwhile. */
    if (probe->sent_ns >= sync->began_ns)
        histogram_add(&sync->latency, sync->loop.now_ns - probe->sent_ns);
    probe->sent_ns = 0;
}

static const struct peer_events client_events = {.message = on_sync_message};
static const struct peer_events probe_events = {.message = on_probe_message};

static void send_probes(struct sync *sync, uint64_t now_ns)
{
    for (unsigned i = 0; i < PROBES; i++) {
        struct probe *probe = &sync->state[i];
        if (probe->sent_ns || now_ns < probe->due_ns)
            continue;
        probe->sent_ns = now_ns;
        probe->due_ns = now_ns + PROBE_INTERVAL_US * 1000;
        peer_send(&sync->probes[i], buffer_slice(&sync->probe_call));
    }
}

/* Until the sync is done, or for @seconds when there is none. */
static double run_pass(struct sync *sync, double seconds)
{
    uint64_t began = bench_now_ns(), moved = began, seen = 0, sampled = 0;
    sync->began_ns = began;
    memset(&sync->latency, 0, sizeof sync->latency);
    sync->announced = sync->operations = 0;
    sync->memory_before = sync->memory_most = server_anonymous(&sync->server);
    if (sync->call_count > 0)
        peer_send(&sync->client, buffer_slice(&sync->calls[sync->call_at = 0]));
    sync->done = false;
    for (;;) {
        uint64_t now = bench_now_ns();
        if (sync->call_count > 0 ? sync->done : bench_seconds(began, now) >= seconds)
            return bench_seconds(began, now);
        uint64_t progress = sync->operations + sync->announced + sync->call_at;
        if (seen != progress || sync->call_count == 0) {
            seen = progress;
            moved = now;
        } else if (bench_seconds(moved, now) > STALL_S) {
            bench_fail("the sync does not go on");
        }
        if (now - sampled > (uint64_t)SAMPLE_MS * 1000000) {
            sampled = now;
            uint64_t memory = server_anonymous(&sync->server);
            sync->memory_most = memory > sync->memory_most ? memory : sync->memory_most;
        }
        send_probes(sync, now);
        loop_pass(&sync->loop, 1);
    }
}

static void free_calls(struct sync *sync)
{
    for (size_t i = 0; i < sync->call_count; i++)
        buffer_free(&sync->calls[i]);
    free(sync->calls);
    sync->calls = NULL;
    sync->call_count = 0;
}

/* One pass and its lines of the report. False: the client did not get what it was told to get. */
static bool measure_sync(struct sync *sync, const char *prefix, const char *label,
                         const struct bench_manifest *manifest, uint64_t stale_every, bool everything)
{
    struct report *out = sync->bench->report;
    uint64_t stale, bytes = sync->client.ws.bytes_in;
    char key[64], text[64];
    sync->call_count =
        bench_manifest_calls(manifest, sync->bench->options.collection, stale_every, &sync->calls, &stale);
    double seconds = run_pass(sync, 0);
    uint64_t expected = everything ? sync->manifest.count : stale;
    struct {
        const char *key, *label, *unit;
        double value;
        int decimals;
    } lines[] = {
        {"seconds", "time", "s", seconds, 3},
        {"documents", "documents sent", "", (double)sync->operations, 0},
        {"bytes", "bytes sent", "", (double)(sync->client.ws.bytes_in - bytes), 0},
        {"memory_growth_kib", "growth of the server", "KiB",
         (double)(sync->memory_most - sync->memory_before) / 1024, 0},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        snprintf(key, sizeof key, "%s_%s", prefix, lines[i].key);
        snprintf(text, sizeof text, "%s: %s", label, lines[i].label);
        report_number(out, key, text, lines[i].value, lines[i].decimals, lines[i].unit);
    }
    snprintf(key, sizeof key, "%s_others", prefix);
    snprintf(text, sizeof text, "%s: others' calls", label);
    report_latency(out, key, text, &sync->latency);
    free_calls(sync);
    if (sync->operations == expected && sync->announced == expected)
        return true;
    fprintf(stderr,
            "dispatchbench: %s: %" PRIu64 " documents were due, %" PRIu64 " announced, %" PRIu64
            " received\n",
            label, expected, sync->announced, sync->operations);
    return false;
}

static void fill_collection(struct bench *bench)
{
    const struct bench_options *options = &bench->options;
    struct client client;
    struct client_reply reply;
    struct buffer data = {0};
    int64_t there = 0;
    setup_control_client(bench, &client);
    setup_call(&client, bench, "count", SLICE("{}"), &reply);
    if (!json_integer(reply.data, &there))
        bench_fail("the server answered count with no number");
    for (uint64_t i = 0; (uint64_t)there < options->documents && i < options->documents;) {
        buffer_clear(&data);
        buffer_append_text(&data, "{\"documents\":");
        for (unsigned n = 0; n < IMPORT_AT_ONCE && i < options->documents; n++, i++) {
            buffer_append_byte(&data, n == 0 ? '[' : ',');
            bench_document_append(&data, sync_run, i, 0, options->document_bytes);
        }
        buffer_append_text(&data, "]}");
        setup_call(&client, bench, "import", buffer_slice(&data), &reply);
    }
    client_close(&client);
    buffer_free(&data);
}

static void learn_collection(struct sync *sync)
{
    struct client client;
    setup_client(sync->bench, &client);
    if (!bench_manifest_learn(&sync->manifest, &client, sync->bench->options.collection))
        bench_fail("sync: %s", client.message);
    if (sync->manifest.count == 0)
        bench_fail("the collection is empty for this user");
    client_close(&client);
    struct buffer *call = &sync->probe_call;
    buffer_append_text(call, "{\"tid\":1,\"methodName\":\"detail\",\"collectionName\":");
    json_append_string(call, slice_text(sync->bench->options.collection));
    buffer_append_text(call, ",\"data\":{\"_id\":");
    buffer_append(call, sync->manifest.ids.data + sync->manifest.entries[0].id,
                  sync->manifest.entries[0].id_length);
    buffer_append_text(call, "}}");
}

/* The least that reading and moving the same documents costs. */
static void compare_bare(struct sync *sync)
{
    struct report *out = sync->bench->report;
    const struct bench_options *options = &sync->bench->options;
    struct bare_lmdb *bare = bare_lmdb_open(options->bare_lmdb);
    uint64_t documents, bytes;
    bare_lmdb_write(bare, sync_run, 0, sync->manifest.count, BARE_BATCH, options->document_bytes, false);
    double scan = bare_lmdb_scan(bare, &documents, &bytes);
    char *from = memory_allocate(bytes + 1), *to = memory_allocate(bytes + 1);
    memset(from, 'x', bytes + 1);
    memset(to, 'y', bytes + 1);
    uint64_t began = bench_now_ns();
    memcpy(to, from, bytes);
    __asm__ volatile("" : : "r"(to) : "memory"); /* so that the copy is not left out */
    double copy = bench_seconds(began, bench_now_ns());
    free(from);
    free(to);
    bare_lmdb_close(bare);
    report_number(out, "bare_scan_seconds", "scan of LMDB alone", scan, 3, "s");
    report_number(out, "memcpy_seconds", "memcpy of the bytes", copy, 3, "s");
}

static void default_sync(struct bench_options *options)
{
    options->documents = 1000000;
    options->document_bytes = 256;
}

static bool run_sync(struct bench *bench)
{
    struct sync *sync = memory_zeroed(1, sizeof *sync);
    const struct bench_manifest nothing = {0};
    sync->bench = bench;
    server_find(&sync->server, &bench->options);
    fill_collection(bench);
    learn_collection(sync);
    report_count(bench->report, "documents", "documents", sync->manifest.count, "");
    loop_init(&sync->loop);
    peers_open(&sync->loop, sync->probes, PROBES, &bench->target, bench_token(bench), PEERS_HEAR_NONE,
               &probe_events, sync);
    peers_open(&sync->loop, &sync->client, 1, &bench->target, bench_token(bench), PEERS_HEAR_ALL,
               &client_events, sync);
    run_pass(sync, QUIET_S);
    report_latency(bench->report, "quiet_others", "before: others' calls", &sync->latency);
    bool whole = measure_sync(sync, "current", "up to date", &sync->manifest, 0, false);
    whole &= measure_sync(sync, "stale", "1 % stale", &sync->manifest, STALE_EVERY, false);
    whole &= measure_sync(sync, "empty", "empty", &nothing, 0, true);
    if (bench->options.bare_lmdb)
        compare_bare(sync);

    peers_close(sync->probes, PROBES);
    peers_close(&sync->client, 1);
    loop_free(&sync->loop);
    bench_manifest_free(&sync->manifest);
    buffer_free(&sync->probe_call);
    free(sync);
    return whole;
}

const struct bench_case case_sync = {
    .name = "sync",
    .options = "documents document-bytes bare-lmdb",
    .help = "sync of a large collection (filled when too small): time, and what others notice meanwhile",
    .defaults = default_sync,
    .run = run_sync,
};
