#include "client/bench/prober.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/bench/bench_document.h"
#include "client/bench/peers.h"
#include "shared/base/memory.h"
#include "shared/json/json.h"

enum { INTERVAL_NS = 1000000, PATIENCE_S = 30, DOCUMENT_BYTES = 256 };

struct probe {
    bool open;
    bool inserts; /* the open call, or the next one */
    uint64_t sent_ns;
};

static void note_refusal(struct prober *prober, struct slice text)
{
    if (prober->refused++ == 0)
        snprintf(prober->refusal, sizeof prober->refusal, "%.*s",
                 (int)(text.length < sizeof prober->refusal ? text.length : sizeof prober->refusal),
                 text.data);
}

static void prober_on_message(struct peer *peer, struct slice text)
{
    struct prober *prober = peer->context;
    struct probe *probe = &prober->probes[peer->index];
    if (!probe->open || !memmem(text.data, text.length < 60 ? text.length : 60, "\"fulfill\"", 9))
        return;
    if (!memmem(text.data, text.length < 200 ? text.length : 200, "\"success\":true", 14))
        note_refusal(prober, text);
    histogram_add(probe->inserts ? &prober->insert : &prober->detail, prober->loop.now_ns - probe->sent_ns);
    atomic_fetch_add(&prober->answered, 1);
    probe->inserts = !probe->inserts;
    probe->open = false;
}

static const struct peer_events events = {.message = prober_on_message};

static void prober_call(struct prober *prober, unsigned index, uint64_t now_ns)
{
    struct probe *probe = &prober->probes[index];
    const struct bench *bench = prober->bench;
    struct buffer *text = &prober->text;
    buffer_clear(text);
    buffer_append_format(
        text, "{\"tid\":0,\"methodName\":\"%s\",\"collectionName\":", probe->inserts ? "insert" : "detail");
    json_append_string(text, slice_text(bench->options.collection));
    buffer_append_text(text, ",\"data\":");
    if (probe->inserts) {
        bench_document_append(text, bench->run, ++prober->inserted, now_ns, DOCUMENT_BYTES);
    } else {
        buffer_append_text(text, "{\"_id\":");
        bench_document_append_id(text, bench->run, 0);
        buffer_append_byte(text, '}');
    }
    buffer_append_byte(text, '}');
    probe->open = true;
    probe->sent_ns = now_ns;
    peer_send(&prober->peers[index], buffer_slice(text));
    loop_send(&prober->loop);
}

static unsigned open_calls(const struct prober *prober)
{
    unsigned open = 0;
    for (unsigned i = 0; i < prober->count; i++)
        open += prober->probes[i].open;
    return open;
}

static void *call_until_stopped(void *context)
{
    struct prober *prober = context;
    uint64_t stopped_ns = 0;
    for (;;) {
        uint64_t now = bench_now_ns();
        if (!stopped_ns && atomic_load(&prober->stopping))
            stopped_ns = now;
        for (unsigned i = 0; !stopped_ns && i < prober->count; i++)
            if (!prober->probes[i].open && now - prober->probes[i].sent_ns >= INTERVAL_NS)
                prober_call(prober, i, bench_now_ns());
        if (stopped_ns && (open_calls(prober) == 0 || bench_seconds(stopped_ns, now) > PATIENCE_S))
            return NULL;
        loop_pass(&prober->loop, 1);
    }
}

void prober_open(struct prober *prober, struct bench *bench, const char *token, unsigned count,
                 uint64_t inserted)
{
    memset(prober, 0, sizeof *prober);
    prober->bench = bench;
    prober->count = count;
    prober->inserted = inserted;
    prober->peers = memory_zeroed(count, sizeof *prober->peers);
    prober->probes = memory_zeroed(count, sizeof *prober->probes);
    loop_init(&prober->loop);
    peers_open(&prober->loop, prober->peers, count, &bench->target, token, PEERS_HEAR_NONE, &events, prober);
}

void prober_start(struct prober *prober)
{
    if (pthread_create(&prober->thread, NULL, call_until_stopped, prober) != 0)
        bench_fail("a thread for the prober cannot be made");
}

void prober_stop(struct prober *prober)
{
    atomic_store(&prober->stopping, true);
    if (pthread_join(prober->thread, NULL) != 0)
        bench_fail("the prober's thread cannot be waited for");
    prober->unanswered = open_calls(prober);
}

void prober_close(struct prober *prober)
{
    peers_close(prober->peers, prober->count);
    loop_free(&prober->loop);
    buffer_free(&prober->text);
    free(prober->peers);
    free(prober->probes);
}
