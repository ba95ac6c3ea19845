#include "client/bench/traffic.h"

#include <stdlib.h>
#include <string.h>

#include "client/bench/bench_document.h"
#include "client/bench/loop.h"
#include "client/bench/peers.h"
#include "client/bench/report.h"
#include "client/bench/server.h"
#include "client/bench/setup.h"
#include "shared/base/memory.h"

enum { DRAIN_S = 10, BEGIN_CHANGES = 65536 };

/* One change on its way. */
struct change {
    uint64_t sent_ns;
    uint32_t delivered; /* how many subscribers have it */
    bool answered;
};

struct traffic {
    struct bench *bench;
    bool plain;
    bool until_answered;
    uint64_t subscribers;
    struct loop loop;
    struct peer *peers; /* the subscribers */
    struct peer sender;
    struct bench_document_finder finder;
    struct buffer text; /* of the change that is sent */

    struct change *changes;
    uint64_t capacity;
    uint64_t sent, answered, under_way;
    uint64_t deliveries, duplicates, reorderings;

    bool measuring;
    uint64_t first; /* number of the first change that is measured */
    uint64_t started_ns, ended_ns, started_deliveries;
    double started_cpu, cpu, started_own_cpu;
    struct server server;
    struct histogram latency;
};

static void send_change(struct traffic *traffic)
{
    uint64_t number = traffic->sent++;
    if (number == traffic->capacity) {
        traffic->capacity *= 2;
        traffic->changes = memory_resize(traffic->changes, traffic->capacity, sizeof *traffic->changes);
    }
    uint64_t now = bench_now_ns();
    struct buffer *text = &traffic->text;
    buffer_clear(text);
    if (!traffic->plain) {
        buffer_append_text(text, "{\"tid\":");
        buffer_append_unsigned(text, number);
        buffer_append_text(text, ",\"methodName\":\"insert\",\"collectionName\":");
        json_append_string(text, slice_text(traffic->bench->options.collection));
        buffer_append_text(text, ",\"data\":");
    }
    bench_document_append(text, traffic->bench->run, number, now, traffic->bench->options.document_bytes);
    if (!traffic->plain)
        buffer_append_byte(text, '}');
    traffic->changes[number] = (struct change){.sent_ns = now, .answered = traffic->plain};
    traffic->under_way++;
    peer_send(&traffic->sender, buffer_slice(text));
}

/* A change is under way until it is answered and (unless --until-answered) every subscriber has it. Called
   when either has just become true, which each does once. */
static void settle_change(struct traffic *traffic, const struct change *change)
{
    if (change->answered && (traffic->until_answered || change->delivered == traffic->subscribers))
        traffic->under_way--;
}

/* Numbers must come one greater than the other; with "seq" they may have gaps, by changes of other
 * collections. */
static void check_order(struct traffic *traffic, struct peer *peer, uint64_t number)
{
    if (number == peer->last)
        traffic->duplicates++;
    else if (number < peer->last)
        traffic->reorderings++;
    else
        peer->last = number;
}

static void traffic_on_delivery(struct peer *peer, struct slice text)
{
    struct traffic *traffic = peer->context;
    uint64_t order = traffic->plain ? 1 : bench_document_seq(text);
    if (order == 0)
        return; /* a ping, or another message that is no change */
    uint64_t number = bench_document_find(&traffic->finder, text);
    if (number >= traffic->sent)
        return; /* not one of this run's */
    check_order(traffic, peer, traffic->plain ? number + 1 : order);
    struct change *change = &traffic->changes[number];
    change->delivered++;
    peer->received++;
    traffic->deliveries++;
    if (traffic->measuring && number >= traffic->first)
        histogram_add(&traffic->latency, traffic->loop.now_ns - change->sent_ns);
    if (change->delivered == traffic->subscribers && !traffic->until_answered)
        settle_change(traffic, change);
}

/* The answer to an insert: "tid" is the number of the change. */
static void traffic_on_answer(struct peer *peer, struct slice text)
{
    struct traffic *traffic = peer->context;
    if (traffic->plain)
        return; /* nchan tells how many it reached */
    const char *tid = memmem(text.data, text.length, "\"data\":{\"tid\":", 14);
    if (!tid || !memmem(text.data, text.length, "\"fulfill\"", 9))
        return;
    if (!memmem(text.data, text.length, "\"success\":true", 14))
        bench_fail("the server refused a change: %.*s", (int)(text.length < 300 ? text.length : 300),
                   text.data);
    uint64_t number = strtoull(tid + 14, NULL, 10);
    if (number >= traffic->sent || traffic->changes[number].answered)
        bench_fail("the server answered a change that was not open");
    struct change *change = &traffic->changes[number];
    change->answered = true;
    traffic->answered++;
    settle_change(traffic, change);
}

static const struct peer_events subscriber_events = {.message = traffic_on_delivery};
static const struct peer_events sender_events = {.message = traffic_on_answer};

static void connect_all(struct traffic *traffic)
{
    struct bench *bench = traffic->bench;
    struct ws_target publish = bench->target;
    char message[WS_TARGET_MESSAGE];
    if (bench->options.publish_url && !ws_target_parse(&publish, bench->options.publish_url, message))
        bench_fail("%s", message);
    loop_init(&traffic->loop);
    loop_need_descriptors(traffic->subscribers + 1);
    peers_open(&traffic->loop, traffic->peers, traffic->subscribers, &bench->target, bench_token(bench),
               traffic->plain ? PEERS_PLAIN : PEERS_HEAR_ALL, &subscriber_events, traffic);
    peers_open(&traffic->loop, &traffic->sender, 1, &publish, bench_token(bench),
               traffic->plain ? PEERS_PLAIN : PEERS_HEAR_NONE, &sender_events, traffic);
}

/* Looks at what has arrived until nothing is under way, or nothing moves any more. */
static void drain_traffic(struct traffic *traffic)
{
    uint64_t seen = UINT64_MAX, moved_ns = bench_now_ns();
    uint64_t wanted = traffic->sent * traffic->subscribers;
    while (traffic->deliveries < wanted || (!traffic->plain && traffic->answered < traffic->sent)) {
        loop_pass(&traffic->loop, 100);
        uint64_t now = bench_now_ns();
        if (seen != traffic->deliveries + traffic->answered) {
            seen = traffic->deliveries + traffic->answered;
            moved_ns = now;
        } else if (bench_seconds(moved_ns, now) > DRAIN_S) {
            break;
        }
    }
}

static void begin_measuring(struct traffic *traffic)
{
    traffic->measuring = true;
    traffic->first = traffic->sent;
    traffic->started_deliveries = traffic->deliveries;
    traffic->started_own_cpu = bench_cpu_seconds();
    traffic->started_cpu = server_cpu_seconds(&traffic->server);
    traffic->started_ns = bench_now_ns();
}

static bool is_over(const struct traffic *traffic)
{
    const struct bench_options *options = &traffic->bench->options;
    if (options->count > 0)
        return traffic->sent - traffic->first >= options->count;
    return bench_seconds(traffic->started_ns, bench_now_ns()) >= (double)options->duration;
}

/* Closed loop: as many as possible, but never more than in_flight under way. */
static void send_in_flight(struct traffic *traffic, uint64_t most)
{
    uint64_t seen = UINT64_MAX, moved_ns = bench_now_ns();
    while (traffic->measuring ? !is_over(traffic) : traffic->sent < most) {
        while (
            traffic->under_way < traffic->bench->options.in_flight &&
            (traffic->measuring ? !traffic->bench->options.count || !is_over(traffic) : traffic->sent < most))
            send_change(traffic);
        loop_pass(&traffic->loop, 1000);
        uint64_t now = bench_now_ns();
        if (seen != traffic->deliveries + traffic->answered) {
            seen = traffic->deliveries + traffic->answered;
            moved_ns = now;
        } else if (bench_seconds(moved_ns, now) > DRAIN_S) {
            return; /* what did not arrive is counted as lost */
        }
    }
}

/* Open loop: one change every 1/rate s, whatever becomes of the earlier ones. */
static void send_paced(struct traffic *traffic)
{
    uint64_t interval = 1000000000 / traffic->bench->options.rate;
    uint64_t due = bench_now_ns();
    while (!is_over(traffic)) {
        uint64_t now = bench_now_ns();
        if (now >= due) {
            send_change(traffic);
            due += interval;
            loop_pass(&traffic->loop, 0);
        } else {
            /* Wakes a little early and looks again: epoll counts in milliseconds. */
            loop_pass(&traffic->loop, (int)((due - now) / 1000000));
        }
    }
}

static uint64_t count_losses(const struct traffic *traffic)
{
    uint64_t lost = 0;
    for (uint64_t i = 0; i < traffic->subscribers; i++)
        if (traffic->peers[i].received < traffic->sent)
            lost += traffic->sent - traffic->peers[i].received;
    return lost + (traffic->plain ? 0 : traffic->sent - traffic->answered);
}

static bool report_traffic(struct traffic *traffic)
{
    struct report *out = traffic->bench->report;
    const struct bench_options *options = &traffic->bench->options;
    double seconds = bench_seconds(traffic->started_ns, traffic->ended_ns);
    uint64_t changes = traffic->sent - traffic->first, lost = count_losses(traffic);
    uint64_t deliveries = traffic->deliveries - traffic->started_deliveries;
    for (uint64_t i = 0; i < traffic->subscribers; i++)
        if (traffic->peers[i].received > traffic->sent)
            traffic->duplicates += traffic->peers[i].received - traffic->sent;
    report_count(out, "subscribers", "subscribers", traffic->subscribers, "");
    if (options->rate)
        report_count(out, "rate", "rate", options->rate, "changes/s");
    else
        report_count(out, "in_flight", "changes in flight", options->in_flight, "");
    report_count(out, "document_bytes", "document", options->document_bytes, "bytes");
    report_number(out, "seconds", "measured", seconds, 3, "s");
    report_count(out, "changes", "changes", changes, "");
    report_number(out, "changes_per_second", "changes a second", (double)changes / seconds, 1, "");
    report_count(out, "deliveries", "deliveries", deliveries, "");
    report_number(out, "deliveries_per_second", "deliveries a second", (double)deliveries / seconds, 0, "");
    report_latency(out, "latency", "latency of a delivery", &traffic->latency);
    if (traffic->server.count > 0) {
        report_number(out, "server_cpu_seconds", "server CPU", traffic->cpu, 2, "s");
        report_number(out, "cpu_us_per_delivery", "server CPU a delivery",
                      deliveries ? traffic->cpu * 1e6 / (double)deliveries : 0, 3, "us");
    }
    report_number(out, "own_cpu_share", "CPU of this tool",
                  100 * (bench_cpu_seconds() - traffic->started_own_cpu) / seconds, 0, "% of one core");
    report_count(out, "losses", "losses", lost, "");
    report_count(out, "duplicates", "duplicates", traffic->duplicates, "");
    report_count(out, "reorderings", "reorderings", traffic->reorderings, "");
    return lost == 0 && traffic->duplicates == 0 && traffic->reorderings == 0;
}

bool traffic_run(struct bench *bench, bool plain)
{
    struct traffic *traffic = memory_zeroed(1, sizeof *traffic);
    const struct bench_options *options = &bench->options;
    traffic->bench = bench;
    traffic->plain = plain;
    traffic->until_answered = options->until_answered && !plain;
    traffic->subscribers = options->subscribers;
    traffic->peers = memory_zeroed(traffic->subscribers, sizeof *traffic->peers);
    traffic->capacity = BEGIN_CHANGES;
    traffic->changes = memory_zeroed(traffic->capacity, sizeof *traffic->changes);
    bench_document_finder_init(&traffic->finder, bench->run);
    server_find(&traffic->server, options);
    connect_all(traffic);

    send_in_flight(traffic, options->warm_up);
    drain_traffic(traffic);
    begin_measuring(traffic);
    if (options->rate > 0)
        send_paced(traffic);
    else
        send_in_flight(traffic, 0);
    drain_traffic(traffic);
    traffic->ended_ns = bench_now_ns();
    traffic->cpu = server_cpu_seconds(&traffic->server) - traffic->started_cpu;
    bool whole = report_traffic(traffic);

    peers_close(traffic->peers, traffic->subscribers);
    peers_close(&traffic->sender, 1);
    if (!plain)
        setup_remove(bench, 0, traffic->sent);
    loop_free(&traffic->loop);
    buffer_free(&traffic->text);
    free(traffic->changes);
    free(traffic->peers);
    free(traffic);
    return whole;
}
