#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/bench/bench_document.h"
#include "client/bench/loop.h"
#include "client/bench/peers.h"
#include "client/bench/report.h"
#include "client/bench/server.h"
#include "client/bench/setup.h"
#include "shared/base/memory.h"

/* Every connection keeps so many calls of `detail` open; an answer is followed by the next call at once. */

enum { STALL_S = 10, INSERT_AT_ONCE = 500 };

struct calls {
    struct bench *bench;
    struct loop loop;
    struct peer *peers;
    struct slice *requests; /* one for each slot of a connection: the tid is the slot, the document its own */
    uint64_t *sent_ns;      /* of each slot of each connection */
    uint64_t answered;
    bool measuring, stopping;
    struct histogram latency;
};

static void insert_documents(struct bench *bench)
{
    struct client client;
    struct client_reply reply;
    struct buffer data = {0};
    setup_client(bench, &client);
    for (uint64_t i = 0; i < bench->options.documents;) {
        buffer_clear(&data);
        for (unsigned n = 0; n < INSERT_AT_ONCE && i < bench->options.documents; n++, i++) {
            buffer_append_byte(&data, n == 0 ? '[' : ',');
            bench_document_append(&data, bench->run, i, bench_now_ns(), bench->options.document_bytes);
        }
        buffer_append_byte(&data, ']');
        setup_call(&client, bench, "insert", buffer_slice(&data), &reply);
    }
    client_close(&client);
    buffer_free(&data);
}

static void make_requests(struct calls *calls)
{
    const struct bench_options *options = &calls->bench->options;
    uint64_t count = options->connections * options->in_flight;
    calls->requests = memory_zeroed(count, sizeof *calls->requests);
    for (uint64_t i = 0; i < count; i++) {
        struct buffer text = {0};
        buffer_append_format(&text, "{\"tid\":%" PRIu64 ",\"collectionName\":", i % options->in_flight);
        json_append_string(&text, slice_text(options->collection));
        buffer_append_text(&text, ",\"methodName\":\"detail\",\"data\":{\"_id\":");
        bench_document_append_id(&text, calls->bench->run, i % options->documents);
        buffer_append_text(&text, "}}");
        calls->requests[i] = buffer_slice(&text);
    }
}

static void send_call(struct calls *calls, struct peer *peer, uint64_t slot, uint64_t now_ns)
{
    uint64_t at = peer->index * calls->bench->options.in_flight + slot;
    calls->sent_ns[at] = now_ns;
    peer_send(peer, calls->requests[at]);
}

static void calls_on_message(struct peer *peer, struct slice text)
{
    struct calls *calls = peer->context;
    static const char head[] =
        "{\"operation\":\"fulfill\",\"collectionName\":\"transaction\",\"data\":{\"tid\":";
    const char *tid = text.data + sizeof head - 1;
    if (text.length < sizeof head + 20 || memcmp(text.data, head, sizeof head - 1) != 0) {
        const char *found = memmem(text.data, text.length, "\"data\":{\"tid\":", 14);
        if (!found || !memmem(text.data, text.length, "\"fulfill\"", 9))
            return;
        tid = found + 14;
    }
    uint64_t slot = 0;
    for (const char *end = text.data + text.length; tid < end && *tid >= '0' && *tid <= '9'; tid++)
        slot = slot * 10 + (uint64_t)(*tid - '0');
    if (!memmem(tid, (size_t)(text.data + text.length - tid), "\"success\":true", 14))
        bench_fail("the server refused a call: %.*s", (int)(text.length < 300 ? text.length : 300),
                   text.data);
    if (slot >= calls->bench->options.in_flight)
        bench_fail("the server answered a call that was not open");
    uint64_t at = peer->index * calls->bench->options.in_flight + slot;
    if (calls->sent_ns[at] == 0)
        bench_fail("the server answered a call twice");
    calls->answered++;
    if (calls->measuring)
        histogram_add(&calls->latency, calls->loop.now_ns - calls->sent_ns[at]);
    calls->sent_ns[at] = 0;
    if (!calls->stopping)
        send_call(calls, peer, slot, calls->loop.now_ns);
}

static const struct peer_events events = {.message = calls_on_message};

/* Runs until @seconds are over, or (0) until no call is open. */
static void run_for(struct calls *calls, double seconds)
{
    uint64_t began = bench_now_ns(), moved = began, seen = calls->answered;
    uint64_t open = calls->bench->options.connections * calls->bench->options.in_flight;
    uint64_t stop_at = calls->answered + open;
    for (;;) {
        uint64_t now = bench_now_ns();
        if (seconds > 0 ? bench_seconds(began, now) >= seconds : calls->answered == stop_at)
            return;
        if (seen != calls->answered) {
            seen = calls->answered;
            moved = now;
        } else if (bench_seconds(moved, now) > STALL_S) {
            bench_fail("the server no longer answers");
        }
        loop_pass(&calls->loop, 100);
    }
}

static void report_calls(struct calls *calls, uint64_t answered, double seconds, double cpu, double own_cpu,
                         const struct server *server)
{
    struct report *out = calls->bench->report;
    const struct bench_options *options = &calls->bench->options;
    report_count(out, "connections", "connections", options->connections, "");
    report_count(out, "in_flight", "calls in flight on each", options->in_flight, "");
    report_count(out, "documents", "documents", options->documents, "");
    report_count(out, "document_bytes", "document", options->document_bytes, "bytes");
    report_number(out, "seconds", "measured", seconds, 3, "s");
    report_count(out, "calls", "calls answered", answered, "");
    report_number(out, "calls_per_second", "calls a second", (double)answered / seconds, 0, "");
    report_latency(out, "latency", "latency of a call", &calls->latency);
    if (server->count > 0)
        report_number(out, "cpu_us_per_call", "server CPU a call",
                      answered ? cpu * 1e6 / (double)answered : 0, 3, "us");
    report_number(out, "own_cpu_share", "CPU of this tool", 100 * own_cpu / seconds, 0, "% of one core");
}

static void default_calls(struct bench_options *options)
{
    options->connections = 50;
    options->in_flight = 8;
    options->documents = 1000;
    options->document_bytes = 256;
    options->duration = 10;
}

static bool run_calls(struct bench *bench)
{
    struct calls *calls = memory_zeroed(1, sizeof *calls);
    const struct bench_options *options = &bench->options;
    uint64_t slots = options->connections * options->in_flight;
    struct server server;
    calls->bench = bench;
    calls->peers = memory_zeroed(options->connections, sizeof *calls->peers);
    calls->sent_ns = memory_zeroed(slots, sizeof *calls->sent_ns);
    server_find(&server, options);
    insert_documents(bench);
    make_requests(calls);
    loop_init(&calls->loop);
    loop_need_descriptors(options->connections);
    peers_open(&calls->loop, calls->peers, options->connections, &bench->target, bench_token(bench),
               PEERS_HEAR_NONE, &events, calls);

    for (uint64_t i = 0; i < slots; i++)
        send_call(calls, &calls->peers[i / options->in_flight], i % options->in_flight, bench_now_ns());
    run_for(calls, 0.5); /* warm-up */
    calls->measuring = true;
    uint64_t began = bench_now_ns(), before = calls->answered;
    double cpu = server_cpu_seconds(&server), own_cpu = bench_cpu_seconds();
    run_for(calls, (double)options->duration);
    uint64_t answered = calls->answered - before;
    double seconds = bench_seconds(began, bench_now_ns());
    cpu = server_cpu_seconds(&server) - cpu;
    own_cpu = bench_cpu_seconds() - own_cpu;
    calls->stopping = true;
    run_for(calls, 0);
    report_calls(calls, answered, seconds, cpu, own_cpu, &server);

    peers_close(calls->peers, options->connections);
    setup_remove(bench, 0, options->documents);
    loop_free(&calls->loop);
    for (uint64_t i = 0; i < slots; i++)
        free((char *)calls->requests[i].data);
    free(calls->requests);
    free(calls->sent_ns);
    free(calls->peers);
    free(calls);
    return true;
}

const struct bench_case case_calls = {
    .name = "calls",
    .options = "connections in-flight duration documents document-bytes keep",
    .help = "calls of detail, several open on each connection: calls a second, latency",
    .defaults = default_calls,
    .run = run_calls,
};
