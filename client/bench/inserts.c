#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/bench/bare_lmdb.h"
#include "client/bench/bench_document.h"
#include "client/bench/loop.h"
#include "client/bench/peers.h"
#include "client/bench/report.h"
#include "client/bench/server.h"
#include "client/bench/setup.h"
#include "shared/base/memory.h"

/*
 * Inserts, each a call of its own, so many under way over all connections. With --bare-lmdb the run is cut
 * into rounds; each is written by the server first and then, the same documents in batches of the size that
 * the server's committer made, by LMDB alone, so that a disk that changes its mood does it to both. It runs
 * where the committer does: the interrupts of a disk come to one processor, and a sync is slower from others.
 */

enum { ROUNDS = 4, STALL_S = 30 };

struct inserts {
    struct bench *bench;
    struct loop loop;
    struct peer *peers;
    struct buffer text;
    uint64_t *sent_ns; /* by number */
    uint64_t sent, answered, until;
    struct histogram latency;
    struct server server;
};

static void send_insert(struct inserts *inserts, struct peer *peer)
{
    uint64_t number = inserts->sent++, now = bench_now_ns();
    struct buffer *text = &inserts->text;
    buffer_clear(text);
    buffer_append_format(text, "{\"tid\":%" PRIu64 ",\"methodName\":\"insert\",\"collectionName\":", number);
    json_append_string(text, slice_text(inserts->bench->options.collection));
    buffer_append_text(text, ",\"data\":");
    bench_document_append(text, inserts->bench->run, number, now, inserts->bench->options.document_bytes);
    buffer_append_byte(text, '}');
    inserts->sent_ns[number] = now;
    peer_send(peer, buffer_slice(text));
}

static void inserts_on_message(struct peer *peer, struct slice text)
{
    struct inserts *inserts = peer->context;
    const char *tid = memmem(text.data, text.length, "\"data\":{\"tid\":", 14);
    if (!tid || !memmem(text.data, text.length, "\"fulfill\"", 9))
        return;
    if (!memmem(text.data, text.length, "\"success\":true", 14))
        bench_fail("the server refused an insert: %.*s", (int)(text.length < 300 ? text.length : 300),
                   text.data);
    uint64_t number = strtoull(tid + 14, NULL, 10);
    if (number >= inserts->sent || inserts->sent_ns[number] == 0)
        bench_fail("the server answered a call that was not open");
    histogram_add(&inserts->latency, inserts->loop.now_ns - inserts->sent_ns[number]);
    inserts->sent_ns[number] = 0;
    inserts->answered++;
    if (inserts->sent < inserts->until)
        send_insert(inserts, peer);
}

static const struct peer_events events = {.message = inserts_on_message};

/* Inserts until inserts->until are answered. Returns the seconds. */
static double run_round(struct inserts *inserts)
{
    const struct bench_options *options = &inserts->bench->options;
    uint64_t began = bench_now_ns(), moved = began, seen = inserts->answered;
    for (uint64_t i = 0; i < options->in_flight && inserts->sent < inserts->until; i++)
        send_insert(inserts, &inserts->peers[i % options->connections]);
    while (inserts->answered < inserts->until) {
        loop_pass(&inserts->loop, 100);
        uint64_t now = bench_now_ns();
        if (seen != inserts->answered) {
            seen = inserts->answered;
            moved = now;
        } else if (bench_seconds(moved, now) > STALL_S) {
            bench_fail("the server no longer answers");
        }
    }
    return bench_seconds(began, bench_now_ns());
}

struct totals {
    double server_s, bare_s, cpu_s;
    uint64_t commits;
};

/* Seconds that LMDB alone took for the documents of a round, which the server wrote with so many commits. */
static double write_bare(const struct inserts *inserts, struct bare_lmdb *bare, uint64_t from,
                         uint64_t commits)
{
    const struct bench_options *options = &inserts->bench->options;
    uint64_t made = inserts->until - from;
    /* Without the server's own count: as if every commit took all that was under way. */
    uint64_t batch = commits ? (made + commits / 2) / commits : options->in_flight;
    cpu_set_t before;
    bool moved = server_share_processors(&inserts->server, &before);
    double seconds = bare_lmdb_write(bare, inserts->bench->run, from, inserts->until, batch ? batch : 1,
                                     options->document_bytes, true);
    if (moved)
        server_leave_processors(&before);
    return seconds;
}

static void run_rounds(struct inserts *inserts, struct bare_lmdb *bare, struct totals *totals)
{
    const struct bench_options *options = &inserts->bench->options;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        uint64_t from = inserts->until;
        inserts->until = options->count * round / ROUNDS;
        uint64_t commits = server_committer(&inserts->server, "commits");
        double cpu = server_cpu_seconds(&inserts->server);
        totals->server_s += run_round(inserts);
        totals->cpu_s += server_cpu_seconds(&inserts->server) - cpu;
        commits = server_committer(&inserts->server, "commits") - commits;
        totals->commits += commits;
        if (bare)
            totals->bare_s += write_bare(inserts, bare, from, commits);
    }
}

static void report_inserts(struct inserts *inserts, const struct totals *totals)
{
    struct report *out = inserts->bench->report;
    const struct bench_options *options = &inserts->bench->options;
    double rate = (double)options->count / totals->server_s;
    report_count(out, "connections", "connections", options->connections, "");
    report_count(out, "in_flight", "inserts in flight", options->in_flight, "");
    report_count(out, "document_bytes", "document", options->document_bytes, "bytes");
    report_count(out, "inserts", "inserts", options->count, "");
    report_number(out, "seconds", "measured", totals->server_s, 3, "s");
    report_number(out, "inserts_per_second", "inserts a second", rate, 0, "");
    report_latency(out, "latency", "latency of an insert", &inserts->latency);
    if (inserts->server.count > 0)
        report_number(out, "cpu_us_per_insert", "server CPU an insert",
                      totals->cpu_s * 1e6 / (double)options->count, 3, "us");
    if (totals->commits > 0)
        report_number(out, "inserts_per_commit", "inserts a commit",
                      (double)options->count / (double)totals->commits, 1, "");
    if (totals->bare_s > 0) {
        double bare_rate = (double)options->count / totals->bare_s;
        report_number(out, "bare_lmdb_per_second", "LMDB alone, documents a second", bare_rate, 0, "");
        report_number(out, "share_of_bare_lmdb", "share of LMDB alone", 100 * rate / bare_rate, 1, "%");
    }
}

static void default_inserts(struct bench_options *options)
{
    options->connections = 16;
    options->in_flight = 256;
    options->count = 40000;
    options->document_bytes = 256;
}

static bool run_inserts(struct bench *bench)
{
    struct inserts *inserts = memory_zeroed(1, sizeof *inserts);
    const struct bench_options *options = &bench->options;
    struct bare_lmdb *bare = options->bare_lmdb ? bare_lmdb_open(options->bare_lmdb) : NULL;
    struct totals totals = {0};
    inserts->bench = bench;
    inserts->peers = memory_zeroed(options->connections, sizeof *inserts->peers);
    inserts->sent_ns = memory_zeroed(options->count, sizeof *inserts->sent_ns);
    server_find(&inserts->server, options);
    loop_init(&inserts->loop);
    loop_need_descriptors(options->connections);
    peers_open(&inserts->loop, inserts->peers, options->connections, &bench->target, bench_token(bench),
               PEERS_HEAR_NONE, &events, inserts);
    run_rounds(inserts, bare, &totals);
    report_inserts(inserts, &totals);

    peers_close(inserts->peers, options->connections);
    setup_remove(bench, 0, options->count);
    if (bare)
        bare_lmdb_close(bare);
    loop_free(&inserts->loop);
    buffer_free(&inserts->text);
    free(inserts->sent_ns);
    free(inserts->peers);
    free(inserts);
    return true;
}

const struct bench_case case_inserts = {
    .name = "inserts",
    .options = "connections in-flight count document-bytes bare-lmdb keep",
    .help = "durable inserts, a given number in flight in all: inserts a second, beside LMDB alone",
    .defaults = default_inserts,
    .run = run_inserts,
};
