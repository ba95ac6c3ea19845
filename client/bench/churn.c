#include <stdlib.h>

#include "client/bench/loop.h"
#include "client/bench/peer.h"
#include "client/bench/report.h"
#include "client/bench/server.h"
#include "shared/base/close_code.h"
#include "shared/base/memory.h"

/* Connections come (with the token, if there is one), say goodbye as soon as the handshake is complete, and
 * are followed by others: so many at once, until enough have come and gone. */

enum { STALL_S = 10, SOURCES = 200 };

struct churn {
    struct bench *bench;
    struct loop loop;
    uint64_t begun, opened, gone;
    struct histogram latency; /* from connect to the complete handshake */
};

static void begin_churn(struct churn *churn, struct peer *peer)
{
    /* From many addresses: one has too few ports for connections that have just been closed. */
    unsigned source = (unsigned)(churn->begun++ % SOURCES) + 1;
    peer_open(&churn->loop, peer, &churn->bench->target, bench_token(churn->bench), source);
}

static void churn_on_opened(struct peer *peer)
{
    struct churn *churn = peer->context;
    churn->opened++;
    histogram_add(&churn->latency, churn->loop.now_ns - peer->opened_ns);
    ws_client_send_close(&peer->ws, CLOSE_NORMAL);
    ws_client_flush(&peer->ws);
}

static void churn_on_message(struct peer *peer, struct slice text)
{
    (void)peer;
    (void)text;
}

static void on_closed(struct peer *peer)
{
    struct churn *churn = peer->context;
    if (peer->ws.close_code == 0)
        bench_fail("a connection ended without a closing handshake: %s", peer->ws.error);
    churn->gone++;
    peer_close(peer);
    if (churn->begun < churn->bench->options.count)
        begin_churn(churn, peer);
}

static const struct peer_events events = {
    .opened = churn_on_opened, .message = churn_on_message, .closed = on_closed};

static void run_all(struct churn *churn, struct peer *peers)
{
    const struct bench_options *options = &churn->bench->options;
    uint64_t seen = 0, moved = bench_now_ns();
    for (uint64_t i = 0; i < options->connections && i < options->count; i++) {
        peers[i] = (struct peer){.events = &events, .context = churn, .index = (unsigned)i};
        begin_churn(churn, &peers[i]);
    }
    while (churn->gone < options->count) {
        loop_pass(&churn->loop, 100);
        uint64_t now = bench_now_ns();
        if (seen != churn->gone) {
            seen = churn->gone;
            moved = now;
        } else if (bench_seconds(moved, now) > STALL_S) {
            bench_fail("%llu of %llu connections came and went, and no more do",
                       (unsigned long long)churn->gone, (unsigned long long)options->count);
        }
    }
}

static void default_churn(struct bench_options *options)
{
    options->connections = 1000;
    options->count = 50000;
}

static bool run_churn(struct bench *bench)
{
    struct churn *churn = memory_zeroed(1, sizeof *churn);
    const struct bench_options *options = &bench->options;
    struct peer *peers = memory_zeroed(options->connections, sizeof *peers);
    struct report *out = bench->report;
    struct server server;
    churn->bench = bench;
    server_find(&server, options);
    loop_init(&churn->loop);
    loop_need_descriptors(options->connections);
    double cpu = server_cpu_seconds(&server);
    uint64_t began = bench_now_ns();
    run_all(churn, peers);
    double seconds = bench_seconds(began, bench_now_ns());
    cpu = server_cpu_seconds(&server) - cpu;

    report_count(out, "connections", "connections at once", options->connections, "");
    report_count(out, "handshakes", "handshakes", churn->opened, "");
    report_number(out, "seconds", "measured", seconds, 3, "s");
    report_number(out, "handshakes_per_second", "handshakes a second", (double)churn->opened / seconds, 0,
                  "");
    report_latency(out, "latency", "from connect to open", &churn->latency);
    if (server.count > 0)
        report_number(out, "cpu_us_per_handshake", "server CPU a handshake",
                      cpu * 1e6 / (double)churn->opened, 1, "us");
    loop_free(&churn->loop);
    free(peers);
    free(churn);
    return true;
}

const struct bench_case case_churn = {
    .name = "churn",
    .options = "connections count",
    .help = "connections that come and go: handshakes a second",
    .defaults = default_churn,
    .run = run_churn,
};
