#include "client/bench/peers.h"

#include <string.h>

#include "client/bench/loop.h"
#include "shared/base/close_code.h"

/* How many are on their way at once: below any server's listen backlog. */
enum { OPENING = 256, PATIENCE_S = 30 };

struct opening {
    enum peer_preparation preparation;
    size_t ready;
};

/* Narrowing what is dispatched is a call that every user may make; its answer shows that the peer is
 * authorised. */
static const char hear_all[] = "{\"tid\":0,\"collectionName\":\"dispatcher\",\"methodName\":\"subscribe\","
                               "\"data\":{\"collections\":null}}";
static const char hear_none[] = "{\"tid\":0,\"collectionName\":\"dispatcher\",\"methodName\":\"subscribe\","
                                "\"data\":{\"collections\":[]}}";

static void become_ready(struct peer *peer)
{
    struct opening *opening = peer->context;
    if (!peer->ready)
        opening->ready++;
    peer->ready = true;
}

static void peers_on_opened(struct peer *peer)
{
    struct opening *opening = peer->context;
    if (opening->preparation == PEERS_PLAIN)
        become_ready(peer);
    else
        peer_send(peer, slice_text(opening->preparation == PEERS_HEAR_ALL ? hear_all : hear_none));
}

static void peers_on_message(struct peer *peer, struct slice text)
{
    struct opening *opening = peer->context;
    if (opening->preparation == PEERS_PLAIN || !memmem(text.data, text.length, "\"fulfill\"", 9))
        return;
    if (!memmem(text.data, text.length, "\"success\":true", 14))
        bench_fail("the server refused a connection (use --login or --token): %.*s",
                   (int)(text.length < 200 ? text.length : 200), text.data);
    become_ready(peer);
}

static const struct peer_events opening_events = {.opened = peers_on_opened, .message = peers_on_message};

void peers_open(struct loop *loop, struct peer *peers, size_t count, const struct ws_target *target,
                const char *token, enum peer_preparation preparation, const struct peer_events *events,
                void *context)
{
    struct opening opening = {.preparation = preparation};
    size_t begun = 0, seen = 0;
    uint64_t moved_ns = bench_now_ns();
    while (opening.ready < count) {
        for (; begun < count && begun - opening.ready < OPENING; begun++) {
            peers[begun] =
                (struct peer){.events = &opening_events, .context = &opening, .index = (unsigned)begun};
            /* More than a few ten thousand connections need more than one address to come from. */
            peer_open(loop, &peers[begun], target, token, (unsigned)(begun / 20000 + 1));
        }
        loop_pass(loop, 1000);
        if (seen != opening.ready) {
            seen = opening.ready;
            moved_ns = bench_now_ns();
        } else if (bench_seconds(moved_ns, bench_now_ns()) > PATIENCE_S) {
            bench_fail("%zu of %zu connections are ready and no more become so", seen, count);
        }
    }
    for (size_t i = 0; i < count; i++) {
        peers[i].events = events;
        peers[i].context = context;
        peers[i].last = peers[i].received = 0;
    }
}

void peers_close(struct peer *peers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ws_client_send_close(&peers[i].ws, CLOSE_NORMAL);
        ws_client_flush(&peers[i].ws);
        peer_close(&peers[i]);
    }
}
