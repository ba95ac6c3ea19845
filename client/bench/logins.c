#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/bench/bench_document.h"
#include "client/bench/loop.h"
#include "client/bench/peers.h"
#include "client/bench/report.h"
#include "client/bench/setup.h"
#include "shared/base/memory.h"

/*
 * Many log in with their password at once. Other connections call `detail` at a steady rate, before,
 * meanwhile and afterwards: what do they notice? A call is sent when its time has come, whether or not
 * earlier ones are answered, so that a pause of the server counts for every call that falls into it. Who is
 * told `busy` tries again, as a client would; who is let in logs out.
 */

enum { CALLERS = 8, OPEN_MOST = 65536, STALL_S = 30, RETRY_MS = 100, WARM_UP_CALLS = 100 };

enum visitor_state { VISITOR_WAITS, VISITOR_LOGS_IN, VISITOR_LOGS_OUT, VISITOR_GONE };

struct visitor {
    enum visitor_state state;
    uint64_t due_ns; /* VISITOR_WAITS: when it tries */
    uint64_t began_ns;
};

struct logins {
    struct bench *bench;
    struct loop loop;
    struct peer callers[CALLERS];
    struct peer *peers; /* who logs in */
    struct visitor *visitors;
    struct buffer call, log_in;
    uint64_t sent, answered;
    uint64_t sent_ns[OPEN_MOST]; /* of the call with this tid, modulo */
    uint64_t let_in, gone, busy;
    struct histogram calls, log_ins;
};

static const char log_out[] =
    "{\"tid\":2,\"collectionName\":\"users\",\"methodName\":\"logout\",\"data\":{}}";

static bool login_succeeded(struct slice text)
{
    return memmem(text.data, text.length, "\"success\":true", 14) != NULL;
}

static bool is_answer(struct slice text)
{
    return memmem(text.data, text.length < 60 ? text.length : 60, "\"fulfill\"", 9) != NULL;
}

[[gnu::noreturn]] static void logins_refused(struct slice text)
{
    bench_fail("the server refused a call: %.*s", (int)(text.length < 300 ? text.length : 300), text.data);
}

/* ---- who calls ---- */

static void logins_on_answer(struct peer *peer, struct slice text)
{
    static const char mark[] = "\"data\":{\"tid\":";
    struct logins *logins = peer->context;
    if (!is_answer(text))
        return;
    const char *tid = memmem(text.data, text.length, mark, sizeof mark - 1);
    if (!tid || !login_succeeded(text))
        logins_refused(text);
    uint64_t number = strtoull(tid + sizeof mark - 1, NULL, 10);
    if (number >= logins->sent || logins->sent_ns[number % OPEN_MOST] == 0)
        bench_fail("the server answered a call that was not open");
    histogram_add(&logins->calls, logins->loop.now_ns - logins->sent_ns[number % OPEN_MOST]);
    logins->sent_ns[number % OPEN_MOST] = 0;
    logins->answered++;
}

static void send_call(struct logins *logins, uint64_t now_ns)
{
    uint64_t number = logins->sent++;
    if (logins->sent_ns[number % OPEN_MOST] != 0)
        bench_fail("%d calls wait for their answers: the server does not keep up with this --rate",
                   OPEN_MOST);
    logins->sent_ns[number % OPEN_MOST] = now_ns;
    struct buffer text = {0};
    buffer_append_format(&text, "{\"tid\":%" PRIu64 ",", number);
    buffer_append_slice(&text, buffer_slice(&logins->call));
    peer_send(&logins->callers[number % CALLERS], buffer_slice(&text));
    buffer_free(&text);
}

/* ---- who logs in ---- */

static void on_visitor_answer(struct peer *peer, struct slice text)
{
    struct logins *logins = peer->context;
    struct visitor *visitor = &logins->visitors[peer->index];
    if (!is_answer(text))
        return;
    if (visitor->state == VISITOR_LOGS_OUT && login_succeeded(text)) {
        visitor->state = VISITOR_GONE;
        logins->gone++;
    } else if (visitor->state == VISITOR_LOGS_IN && login_succeeded(text)) {
        histogram_add(&logins->log_ins, logins->loop.now_ns - visitor->began_ns);
        logins->let_in++;
        visitor->state = VISITOR_LOGS_OUT;
        peer_send(peer, slice_text(log_out));
    } else if (visitor->state == VISITOR_LOGS_IN && memmem(text.data, text.length, "\"busy\"", 6)) {
        logins->busy++;
        visitor->state = VISITOR_WAITS;
        visitor->due_ns = logins->loop.now_ns + (uint64_t)RETRY_MS * 1000000;
    } else {
        logins_refused(text);
    }
}

static void send_log_ins(struct logins *logins, uint64_t now_ns)
{
    for (uint64_t i = 0; i < logins->bench->options.connections; i++) {
        struct visitor *visitor = &logins->visitors[i];
        if (visitor->state != VISITOR_WAITS || now_ns < visitor->due_ns)
            continue;
        if (visitor->began_ns == 0)
            visitor->began_ns = now_ns;
        visitor->state = VISITOR_LOGS_IN;
        peer_send(&logins->peers[i], buffer_slice(&logins->log_in));
    }
}

static const struct peer_events caller_events = {.message = logins_on_answer};
static const struct peer_events visitor_events = {.message = on_visitor_answer};

/* ---- the run ---- */

/* Calls for @seconds, or with @storm until everybody has been in, and then until every call is answered.
 * Returns the seconds without that last part. */
static double run_login_phase(struct logins *logins, double seconds, bool storm)
{
    uint64_t began = bench_now_ns(), first = logins->sent, moved = began, seen = 0;
    double lasted = 0;
    memset(&logins->calls, 0, sizeof logins->calls);
    for (;;) {
        uint64_t now = bench_now_ns();
        bool over =
            storm ? logins->gone == logins->bench->options.connections : bench_seconds(began, now) >= seconds;
        if (over && lasted == 0)
            lasted = bench_seconds(began, now);
        if (over && logins->answered == logins->sent)
            return lasted;
        uint64_t progress = over ? logins->answered : logins->gone + logins->busy + logins->let_in;
        if (seen != progress || (!storm && !over)) {
            seen = progress;
            moved = now;
        } else if (bench_seconds(moved, now) > STALL_S) {
            bench_fail("the server no longer answers");
        }
        double due = bench_seconds(began, now) * (double)logins->bench->options.rate;
        while (!over && (double)(logins->sent - first) < due)
            send_call(logins, now);
        if (storm)
            send_log_ins(logins, now);
        loop_pass(&logins->loop, 1);
    }
}

static void prepare_logins(struct logins *logins)
{
    struct bench *bench = logins->bench;
    struct client client;
    struct client_reply reply;
    struct buffer document = {0};
    if (bench->login.length == 0)
        bench_fail("logins needs --login");
    bench_document_append(&document, bench->run, 0, bench_now_ns(), bench->options.document_bytes);
    setup_client(bench, &client);
    setup_call(&client, bench, "insert", buffer_slice(&document), &reply);
    client_close(&client);
    buffer_free(&document);
    buffer_append_text(&logins->call, "\"methodName\":\"detail\",\"collectionName\":");
    json_append_string(&logins->call, slice_text(bench->options.collection));
    buffer_append_text(&logins->call, ",\"data\":{\"_id\":");
    bench_document_append_id(&logins->call, bench->run, 0);
    buffer_append_text(&logins->call, "}}");
    buffer_append_text(
        &logins->log_in,
        "{\"tid\":1,\"collectionName\":\"users\",\"methodName\":\"authorize_by_login\",\"data\":");
    buffer_append_slice(&logins->log_in, buffer_slice(&bench->login));
    buffer_append_byte(&logins->log_in, '}');
}

static void measure_logins(struct logins *logins)
{
    const struct bench_options *options = &logins->bench->options;
    struct report *out = logins->bench->report;
    double seconds = (double)options->duration;
    report_count(out, "connections", "log-ins at once", options->connections, "");
    report_count(out, "rate", "calls", options->rate, "a second");
    run_login_phase(logins, (double)WARM_UP_CALLS / (double)options->rate, false);
    run_login_phase(logins, seconds, false);
    report_latency(out, "before", "before: a call", &logins->calls);
    double lasted = run_login_phase(logins, 0, true);
    report_latency(out, "during", "during: a call", &logins->calls);
    report_count(out, "during_calls", "during: calls", logins->calls.count, "");
    report_number(out, "storm_seconds", "during: until all were let in", lasted, 3, "s");
    report_number(out, "logins_per_second", "during: log-ins a second", (double)logins->let_in / lasted, 1,
                  "");
    report_count(out, "busy", "during: answers of busy", logins->busy, "");
    report_latency(out, "login", "during: a log-in", &logins->log_ins);
    run_login_phase(logins, seconds, false);
    report_latency(out, "after", "after: a call", &logins->calls);
}

static void default_logins(struct bench_options *options)
{
    options->connections = 200;
    options->rate = 1000;
    options->duration = 5;
    options->document_bytes = 256;
}

static bool run_logins(struct bench *bench)
{
    struct logins *logins = memory_zeroed(1, sizeof *logins);
    uint64_t count = bench->options.connections;
    logins->bench = bench;
    logins->peers = memory_zeroed(count, sizeof *logins->peers);
    logins->visitors = memory_zeroed(count, sizeof *logins->visitors);
    prepare_logins(logins);
    loop_init(&logins->loop);
    loop_need_descriptors(count + CALLERS);
    peers_open(&logins->loop, logins->callers, CALLERS, &bench->target, bench_token(bench), PEERS_HEAR_NONE,
               &caller_events, logins);
    peers_open(&logins->loop, logins->peers, count, &bench->target, NULL, PEERS_PLAIN, &visitor_events,
               logins);
    measure_logins(logins);
    peers_close(logins->callers, CALLERS);
    peers_close(logins->peers, count);
    setup_remove(bench, 0, 1);
    loop_free(&logins->loop);
    buffer_free(&logins->call);
    buffer_free(&logins->log_in);
    free(logins->peers);
    free(logins->visitors);
    free(logins);
    return true;
}

const struct bench_case case_logins = {
    .name = "logins",
    .options = "connections rate duration document-bytes keep",
    .help = "many log-ins at once: what the calls of others notice, before, meanwhile and afterwards",
    .defaults = default_logins,
    .run = run_logins,
};
