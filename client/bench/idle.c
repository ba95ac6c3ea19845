#include <stdlib.h>

#include "client/bench/loop.h"
#include "client/bench/peers.h"
#include "client/bench/report.h"
#include "client/bench/server.h"
#include "shared/base/memory.h"

/* Connections that are authorised and then do nothing but answer pings: what does the server keep for
 * each? */

static void idle_on_message(struct peer *peer, struct slice text)
{
    (void)text; /* the server's ping */
    peer->received++;
}

static const struct peer_events events = {.message = idle_on_message};

static void hold_idle(struct loop *loop, uint64_t seconds)
{
    uint64_t began = bench_now_ns();
    while (bench_seconds(began, bench_now_ns()) < (double)seconds)
        loop_pass(loop, 100);
}

static void default_idle(struct bench_options *options)
{
    options->connections = 10000;
    options->hold = 5;
}

static bool run_idle(struct bench *bench)
{
    const struct bench_options *options = &bench->options;
    struct report *out = bench->report;
    struct loop loop;
    struct server server;
    struct server_memory before, after;
    struct peer *peers = memory_zeroed(options->connections, sizeof *peers);
    server_find(&server, options);
    if (server.count == 0)
        bench_fail("idle measures the server's memory: name its control socket (--control) or its processes "
                   "(--pid)");
    loop_init(&loop);
    loop_need_descriptors(options->connections);
    if (!server_memory_read(&server, &before))
        bench_fail("the server's memory cannot be read; run as its user or as root");
    uint64_t began = bench_now_ns();
    peers_open(&loop, peers, options->connections, &bench->target, bench_token(bench), PEERS_HEAR_ALL,
               &events, NULL);
    double opening = bench_seconds(began, bench_now_ns());
    hold_idle(&loop, options->hold);
    if (!server_memory_read(&server, &after))
        bench_fail("the server's memory can no longer be read");

    double count = (double)options->connections;
    report_count(out, "connections", "connections, authorised", options->connections, "");
    report_number(out, "opening_seconds", "opened in", opening, 3, "s");
    report_count(out, "held_seconds", "held for", options->hold, "s");
    report_number(out, "pss_before_kib", "memory (PSS) before", (double)before.pss / 1024, 0, "KiB");
    report_number(out, "pss_after_kib", "memory (PSS) with them", (double)after.pss / 1024, 0, "KiB");
    report_number(out, "bytes_per_connection", "memory a connection",
                  ((double)after.pss - (double)before.pss) / count, 1, "bytes");
    report_number(out, "anonymous_bytes_per_connection", "of it not of files",
                  ((double)after.anonymous - (double)before.anonymous) / count, 1, "bytes");
    peers_close(peers, options->connections);
    loop_free(&loop);
    free(peers);
    return true;
}

const struct bench_case case_idle = {
    .name = "idle",
    .options = "connections hold",
    .help = "many authorised connections that do nothing: memory of the server for each",
    .defaults = default_idle,
    .run = run_idle,
};
