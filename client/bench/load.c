#include "client/bench/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/bench/bench_document.h"
#include "client/bench/peers.h"
#include "client/bench/setup.h"
#include "shared/base/memory.h"

enum { SOURCES = 200, DRAIN_S = 30 };
enum { UNSENT_BYTES = 4 << 20 }; /* of one connection, beyond which nothing is added */

static const char password[] = "only for measuring";

/* ---- for kinds ---- */

unsigned load_scaled(const struct load *load, unsigned number)
{
    uint64_t scaled = number * load->bench->options.scale / 100;
    return scaled ? (unsigned)scaled : 1;
}

void load_append_call(struct buffer *out, const char *method, const char *collection)
{
    buffer_append_format(out, "\"methodName\":\"%s\",\"collectionName\":", method);
    json_append_string(out, slice_text(collection));
    buffer_append_text(out, ",\"data\":");
}

void load_append_id(const struct load *load, struct buffer *out, uint64_t number)
{
    bench_document_append_id(out, load->bench->run, number);
}

void load_append_document(struct load *load, struct buffer *out, const char *owner)
{
    buffer_append_text(out, "{\"_id\":");
    load_append_id(load, out, load->documents++);
    buffer_append_format(out, ",\"user\":\"%s\"", owner);
}

void load_append_large(struct load *load, struct buffer *out)
{
    load_append_document(load, out, load->user);
    buffer_append_text(out, ",\"a\":\"");
    for (unsigned i = LOAD_LARGE_BYTES / 10; i > 0; i--)
        buffer_append_text(out, "0123456789");
    buffer_append_text(out, "\"}");
}

void load_call(struct load *load, const char *collection, const char *method, struct slice data)
{
    struct client_reply reply;
    if (!client_call(&load->control, collection, method, data, &reply, SETUP_MS))
        bench_fail("%s.%s: %s", collection, method, load->control.message);
}

void load_insert(struct load *load, unsigned count, unsigned at_once,
                 void (*append)(struct load *load, struct buffer *out))
{
    for (unsigned done = 0; done < count;) {
        buffer_clear(&load->text);
        for (unsigned i = 0; i < at_once && done < count; i++, done++) {
            buffer_append_byte(&load->text, i == 0 ? '[' : ',');
            append(load, &load->text);
        }
        buffer_append_byte(&load->text, ']');
        load_call(load, load->collection, "insert", buffer_slice(&load->text));
    }
}

/* ---- one load ---- */

static void on_change(struct peer *peer, struct slice text)
{
    struct load *load = peer->context;
    (void)text;
    load->heard++;
}

static void on_listener_closed(struct peer *peer)
{
    struct load *load = peer->context;
    load->ended++;
    peer_close(peer);
}

static void load_on_answer(struct peer *peer, struct slice text)
{
    struct load *load = peer->context;
    if (!outcomes_take(&load->outcomes, text)) {
        load->heard++;
        return;
    }
    load->open[peer->index]--;
    if (load->kind->leave) {
        ws_client_send_close(&peer->ws, 1000);
        ws_client_flush(&peer->ws);
    }
}

static void on_caller_closed(struct peer *peer)
{
    struct load *load = peer->context;
    bool left = load->kind->leave && load->open[peer->index] == 0;
    load->ended += !left;
    load->unanswered += load->open[peer->index];
    load->open[peer->index] = 0;
    peer_close(peer);
    if (load->running && load->kind->caller == LOAD_STRANGER)
        peer_open(&load->loop, peer, &load->bench->target, NULL, (unsigned)(load->calls % SOURCES) + 1);
}

static const struct peer_events listener_events = {.message = on_change, .closed = on_listener_closed};
static const struct peer_events caller_events = {.message = load_on_answer, .closed = on_caller_closed};

static void load_send_call(struct load *load, struct peer *peer)
{
    buffer_clear(&load->text);
    buffer_append_format(&load->text, "{\"tid\":%" PRIu64 ",", load->calls++);
    if (load->kind->request)
        load->kind->request(load, &load->text);
    else
        buffer_append_slice(&load->text, buffer_slice(&load->request));
    buffer_append_byte(&load->text, '}');
    peer_send(peer, buffer_slice(&load->text));
    load->open[peer->index]++;
}

static void call_all(struct load *load)
{
    for (unsigned i = 0; i < load->kind->callers; i++) {
        struct peer *peer = &load->callers[i];
        while (peer->ws.state == WS_STATE_OPEN && load->open[i] < load->in_flight &&
               peer->ws.out.length - peer->ws.out_at < UNSENT_BYTES)
            load_send_call(load, peer);
    }
}

static unsigned open_calls(const struct load *load)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < load->kind->callers; i++)
        sum += load->open[i];
    return sum;
}

static void connect_callers(struct load *load)
{
    const struct load_kind *kind = load->kind;
    const struct ws_target *target =
        kind->caller == LOAD_CONTROL ? &load->control_target : &load->bench->target;
    const char *token = kind->caller == LOAD_USER ? load->token.data : NULL;
    enum peer_preparation preparation = kind->callers_hear ? PEERS_HEAR_ALL : PEERS_HEAR_NONE;
    if (kind->caller == LOAD_STRANGER)
        preparation = PEERS_PLAIN;
    peers_open(&load->loop, load->callers, kind->callers, target, token, preparation, &caller_events, load);
    for (unsigned i = 0; kind->callers_deaf && i < kind->callers; i++)
        peer_stop_reading(&load->callers[i]);
}

static void open_control(struct load *load)
{
    setup_control_client(load->bench, &load->control);
    load_call(load, "dispatcher", "subscribe", SLICE("{\"collections\":[]}"));
}

void load_prepare(struct load *load, const struct load_kind *kind)
{
    load->kind = kind;
    load->first = load->documents;
    load->calls = load->heard = load->ended = load->unanswered = 0;
    load->outcomes = (struct outcomes){0};
    load->listener_count = kind->listeners ? load_scaled(load, kind->listeners) : 0;
    load->in_flight = load_scaled(load, kind->in_flight);
    load->listeners = memory_zeroed(load->listener_count + 1, sizeof *load->listeners);
    load->callers = memory_zeroed(kind->callers + 1, sizeof *load->callers);
    load->open = memory_zeroed(kind->callers + 1, sizeof *load->open);
    buffer_clear(&load->request);
    open_control(load);
    if (kind->prepare)
        kind->prepare(load);
    client_close(&load->control);
}

void load_connect(struct load *load)
{
    const struct load_kind *kind = load->kind;
    loop_init(&load->loop);
    loop_need_descriptors(load->listener_count + kind->callers);
    peers_open(&load->loop, load->listeners, load->listener_count, &load->bench->target, load->token.data,
               PEERS_HEAR_ALL, &listener_events, load);
    for (unsigned i = 0; kind->listeners_deaf && i < load->listener_count; i++)
        peer_stop_reading(&load->listeners[i]);
    connect_callers(load);
}

/* Something has come of it: where no answer is read, there is a call. */
static bool is_under_way(const struct load *load)
{
    const struct outcomes *outcomes = &load->outcomes;
    return load->kind->callers == 0 || (load->kind->callers_deaf && load->calls > 0) ||
           outcomes->succeeded + outcomes_refused(outcomes) > 0;
}

void load_run(struct load *load, double seconds, bool (*enough)(void *context), void *context)
{
    uint64_t began = bench_now_ns();
    load->running = true;
    while (bench_seconds(began, bench_now_ns()) < seconds &&
           !(enough && enough(context) && is_under_way(load))) {
        call_all(load);
        loop_pass(&load->loop, 1);
    }
    load->running = false;
}

static void remove_documents(struct load *load)
{
    struct bench bench = *load->bench;
    bench.target = load->control_target;
    bench.token = (struct buffer){0};
    bench.options.collection = load->collection;
    setup_remove(&bench, load->first, load->documents);
}

void load_close(struct load *load)
{
    uint64_t began = bench_now_ns();
    while (!load->kind->callers_deaf && open_calls(load) > 0 &&
           bench_seconds(began, bench_now_ns()) < DRAIN_S)
        loop_pass(&load->loop, 100);
    load->unanswered += open_calls(load);
    peers_close(load->listeners, load->listener_count);
    peers_close(load->callers, load->kind->callers);
    loop_free(&load->loop);
    free(load->listeners);
    free(load->callers);
    free(load->open);
    remove_documents(load);
}

/* ---- all loads ---- */

static void add_user(struct load *load)
{
    open_control(load);
    struct buffer *data = &load->text;
    buffer_clear(data);
    buffer_append_format(data, "{\"_id\":\"%s\",\"password\":\"%s\"}", load->user, password);
    load_call(load, "users", "add", buffer_slice(data));
    buffer_clear(data);
    buffer_append_format(data, "{\"_id\":\"%s\"}", load->group);
    load_call(load, "groups", "add", buffer_slice(data));
    client_close(&load->control);
    buffer_append_format(&load->log_in, "{\"username\":\"%s\",\"password\":\"%s\"}", load->user, password);
    setup_log_in(load->bench, buffer_slice(&load->log_in), &load->token);
}

void load_init(struct load *load, struct bench *bench)
{
    char message[WS_TARGET_MESSAGE];
    *load = (struct load){.bench = bench, .collection = bench->options.fairness};
    snprintf(load->user, sizeof load->user, "bench-%s", bench->run);
    snprintf(load->group, sizeof load->group, "bench-%s", bench->run);
    if (bench->target.control)
        bench_fail("fairness needs a URL ws://HOST:PORT/ws beside the control socket");
    if (!ws_target_control(&load->control_target, bench->options.control, message))
        bench_fail("%s", message);
    add_user(load);
}

void load_free(struct load *load)
{
    open_control(load);
    buffer_clear(&load->text);
    buffer_append_format(&load->text, "{\"_id\":\"%s\"}", load->user);
    load_call(load, "users", "remove_user", buffer_slice(&load->text));
    buffer_clear(&load->text);
    buffer_append_format(&load->text, "{\"_id\":\"%s\"}", load->group);
    load_call(load, "groups", "remove_group", buffer_slice(&load->text));
    client_close(&load->control);
    buffer_free(&load->log_in);
    buffer_free(&load->token);
    buffer_free(&load->request);
    buffer_free(&load->text);
}
