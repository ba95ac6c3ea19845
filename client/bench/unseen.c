#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/bench/bench_document.h"
#include "client/bench/loop.h"
#include "client/bench/peers.h"
#include "client/bench/report.h"
#include "client/bench/server.h"
#include "client/bench/setup.h"
#include "shared/base/memory.h"

/*
 * Changes that hardly any of the connections may see. One sender inserts lists into a collection that no
 * subscriber has asked for, and now and then one document into the one that all have; another client calls
 * `detail` meanwhile, one call after the other.
 */

enum { LIST = 100, SEEN_EVERY = 5, DRAIN_S = 10, PROBE_NS = 1000000 };

struct unseen {
    struct bench *bench;
    struct loop loop;
    struct peer *peers; /* the subscribers */
    struct peer sender, prober;
    struct bench_document_finder finder;
    struct buffer text;
    uint64_t subscribed;
    uint64_t calls, answered; /* of the sender; the tid is the call's number */
    uint64_t seen, hidden;    /* documents sent; one of the former was there before */
    uint64_t deliveries, duplicates, reorderings;
    bool probing; /* a call is open */
    uint64_t probed_ns;
    struct histogram latency;
};

static void begin_unseen_call(struct unseen *unseen, uint64_t tid, const char *method, const char *collection)
{
    buffer_clear(&unseen->text);
    buffer_append_format(&unseen->text, "{\"tid\":%" PRIu64 ",\"methodName\":\"%s\",\"collectionName\":", tid,
                         method);
    json_append_string(&unseen->text, slice_text(collection));
    buffer_append_text(&unseen->text, ",\"data\":");
}

static void end_unseen_call(struct unseen *unseen, struct peer *peer)
{
    buffer_append_byte(&unseen->text, '}');
    peer_send(peer, buffer_slice(&unseen->text));
}

static void send_next(struct unseen *unseen)
{
    const struct bench_options *options = &unseen->bench->options;
    bool is_seen = unseen->calls % (SEEN_EVERY + 1) == SEEN_EVERY;
    uint64_t now = bench_now_ns();
    begin_unseen_call(unseen, unseen->calls++, "insert", is_seen ? options->collection : options->unseen);
    if (is_seen) {
        bench_document_append(&unseen->text, unseen->bench->run, unseen->seen++, now,
                              options->document_bytes);
    } else {
        for (unsigned i = 0; i < LIST; i++) {
            buffer_append_byte(&unseen->text, i == 0 ? '[' : ',');
            bench_document_append(&unseen->text, unseen->bench->run, unseen->hidden++, now,
                                  options->document_bytes);
        }
        buffer_append_byte(&unseen->text, ']');
    }
    end_unseen_call(unseen, &unseen->sender);
}

static bool is_answer(struct slice text)
{
    if (!memmem(text.data, text.length, "\"fulfill\"", 9))
        return false;
    if (!memmem(text.data, text.length, "\"success\":true", 14))
        bench_fail("the server refused a call: %.*s", (int)(text.length < 300 ? text.length : 300),
                   text.data);
    return true;
}

static void unseen_on_delivery(struct peer *peer, struct slice text)
{
    struct unseen *unseen = peer->context;
    if (bench_document_seq(text) == 0) {
        unseen->subscribed += is_answer(text);
        return;
    }
    uint64_t number = bench_document_find(&unseen->finder, text);
    if (number >= unseen->seen)
        return; /* not one of this run's */
    if (number == peer->last)
        unseen->duplicates++;
    else if (number < peer->last)
        unseen->reorderings++;
    else
        peer->last = number;
    peer->received++;
    unseen->deliveries++;
}

static void unseen_on_answer(struct peer *peer, struct slice text)
{
    struct unseen *unseen = peer->context;
    unseen->answered += is_answer(text);
}

static void on_probe(struct peer *peer, struct slice text)
{
    struct unseen *unseen = peer->context;
    if (!is_answer(text))
        return;
    histogram_add(&unseen->latency, unseen->loop.now_ns - unseen->probed_ns);
    unseen->probing = false;
}

static const struct peer_events subscriber_events = {.message = unseen_on_delivery};
static const struct peer_events sender_events = {.message = unseen_on_answer};
static const struct peer_events prober_events = {.message = on_probe};

/* One pass, in which the prober calls unless it has just done so. */
static void unseen_pass(struct unseen *unseen)
{
    uint64_t now = bench_now_ns();
    if (!unseen->probing && now - unseen->probed_ns >= PROBE_NS) {
        begin_unseen_call(unseen, 0, "detail", unseen->bench->options.collection);
        buffer_append_text(&unseen->text, "{\"_id\":");
        bench_document_append_id(&unseen->text, unseen->bench->run, 0);
        buffer_append_byte(&unseen->text, '}');
        unseen->probing = true;
        unseen->probed_ns = now;
        end_unseen_call(unseen, &unseen->prober);
        loop_send(&unseen->loop);
    }
    loop_pass(&unseen->loop, 1);
}

/* Passes until @now reaches @wanted, or nothing has moved for a while. */
static void wait_for(struct unseen *unseen, const uint64_t *now, uint64_t wanted)
{
    uint64_t seen = UINT64_MAX, moved_ns = bench_now_ns();
    while (*now < wanted) {
        unseen_pass(unseen);
        if (seen != *now + unseen->answered) {
            seen = *now + unseen->answered;
            moved_ns = bench_now_ns();
        } else if (bench_seconds(moved_ns, bench_now_ns()) > DRAIN_S) {
            return;
        }
    }
}

static void connect_all(struct unseen *unseen)
{
    struct bench *bench = unseen->bench;
    uint64_t count = bench->options.subscribers;
    struct client client;
    struct client_reply reply;
    setup_client(bench, &client);
    bench_document_append(&unseen->text, bench->run, unseen->seen++, 0, bench->options.document_bytes);
    setup_call(&client, bench, "insert", buffer_slice(&unseen->text), &reply);
    client_close(&client);
    loop_need_descriptors(count + 2);
    peers_open(&unseen->loop, unseen->peers, count, &bench->target, bench_token(bench), PEERS_HEAR_NONE,
               &subscriber_events, unseen);
    peers_open(&unseen->loop, &unseen->sender, 1, &bench->target, bench_token(bench), PEERS_HEAR_NONE,
               &sender_events, unseen);
    peers_open(&unseen->loop, &unseen->prober, 1, &bench->target, bench_token(bench), PEERS_HEAR_NONE,
               &prober_events, unseen);
    begin_unseen_call(unseen, 0, "subscribe", "dispatcher");
    buffer_append_text(&unseen->text, "{\"collections\":[");
    json_append_string(&unseen->text, slice_text(bench->options.collection));
    buffer_append_text(&unseen->text, "]}}");
    for (uint64_t i = 0; i < count; i++)
        peer_send(&unseen->peers[i], buffer_slice(&unseen->text));
    loop_send(&unseen->loop);
    wait_for(unseen, &unseen->subscribed, count);
    if (unseen->subscribed < count)
        bench_fail("the server does not answer `subscribe`");
}

/* As many calls under way as wanted, until enough documents are sent. */
static void send_all(struct unseen *unseen)
{
    const struct bench_options *options = &unseen->bench->options;
    uint64_t began = bench_now_ns();
    for (;;) {
        uint64_t sent = unseen->hidden + unseen->seen - 1;
        bool over = options->count ? sent >= options->count
                                   : bench_seconds(began, bench_now_ns()) >= (double)options->duration;
        if (over)
            break;
        if (unseen->calls - unseen->answered < options->in_flight)
            send_next(unseen);
        else
            wait_for(unseen, &unseen->answered, unseen->calls - options->in_flight + 1);
        if (unseen->calls - unseen->answered > options->in_flight)
            bench_fail("the server no longer answers");
    }
    wait_for(unseen, &unseen->answered, unseen->calls);
    wait_for(unseen, &unseen->deliveries, (unseen->seen - 1) * options->subscribers);
}

static bool report_unseen(struct unseen *unseen, double seconds, double cpu, double own_cpu,
                          const struct server *server)
{
    struct report *out = unseen->bench->report;
    const struct bench_options *options = &unseen->bench->options;
    uint64_t documents = unseen->hidden + unseen->seen - 1, lost = unseen->calls - unseen->answered;
    for (uint64_t i = 0; i < options->subscribers; i++)
        if (unseen->peers[i].received < unseen->seen - 1)
            lost += unseen->seen - 1 - unseen->peers[i].received;
    report_count(out, "subscribers", "subscribers", options->subscribers, "");
    report_count(out, "in_flight", "calls in flight", options->in_flight, "");
    report_count(out, "document_bytes", "document", options->document_bytes, "bytes");
    report_number(out, "seconds", "measured", seconds, 3, "s");
    report_count(out, "documents", "documents", documents, "");
    report_number(out, "documents_per_second", "documents a second", (double)documents / seconds, 0, "");
    report_count(out, "deliveries", "deliveries", unseen->deliveries, "");
    report_latency(out, "detail", "latency of another's detail", &unseen->latency);
    if (server->count > 0)
        report_number(out, "cpu_us_per_document", "server CPU a document", cpu * 1e6 / (double)documents, 3,
                      "us");
    report_number(out, "own_cpu_share", "CPU of this tool", 100 * own_cpu / seconds, 0, "% of one core");
    report_count(out, "losses", "losses", lost, "");
    report_count(out, "duplicates", "duplicates", unseen->duplicates, "");
    report_count(out, "reorderings", "reorderings", unseen->reorderings, "");
    return lost == 0 && unseen->duplicates == 0 && unseen->reorderings == 0;
}

static void default_unseen(struct bench_options *options)
{
    options->subscribers = 300;
    options->in_flight = 100;
    options->duration = 10;
    options->document_bytes = 256;
}

static bool run_unseen(struct bench *bench)
{
    struct unseen *unseen = memory_zeroed(1, sizeof *unseen);
    const struct bench_options *options = &bench->options;
    struct server server;
    unseen->bench = bench;
    unseen->peers = memory_zeroed(options->subscribers, sizeof *unseen->peers);
    bench_document_finder_init(&unseen->finder, bench->run);
    server_find(&server, options);
    loop_init(&unseen->loop);
    connect_all(unseen);
    memset(&unseen->latency, 0, sizeof unseen->latency);

    double cpu = server_cpu_seconds(&server), own_cpu = bench_cpu_seconds();
    uint64_t began = bench_now_ns();
    send_all(unseen);
    double seconds = bench_seconds(began, bench_now_ns());
    bool whole = report_unseen(unseen, seconds, server_cpu_seconds(&server) - cpu,
                               bench_cpu_seconds() - own_cpu, &server);

    peers_close(unseen->peers, options->subscribers);
    peers_close(&unseen->sender, 1);
    peers_close(&unseen->prober, 1);
    struct bench other = *bench;
    other.options.collection = options->unseen;
    setup_remove(bench, 0, unseen->seen);
    setup_remove(&other, 0, unseen->hidden);
    loop_free(&unseen->loop);
    buffer_free(&unseen->text);
    free(unseen->peers);
    free(unseen);
    return whole;
}

const struct bench_case case_unseen = {
    .name = "unseen",
    .options = "subscribers in-flight unseen-collection duration count document-bytes keep",
    .help = "lists of documents of which subscribers may see one in 500: what that costs, and another client",
    .defaults = default_unseen,
    .run = run_unseen,
};
