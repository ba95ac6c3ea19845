#include "client/bench/peer.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

static void watch_socket(struct peer *peer, int operation)
{
    struct epoll_event event = {.events = (peer->deaf ? 0 : EPOLLIN) | (peer->waiting ? EPOLLOUT : 0),
                                .data.ptr = peer};
    if (epoll_ctl(peer->loop->epoll, operation, peer->ws.fd, &event) < 0)
        bench_fail("epoll: %s", strerror(errno));
}

void peer_send_queued(struct peer *peer)
{
    bool wait = !ws_client_flush(&peer->ws);
    if (wait != peer->waiting) {
        peer->waiting = wait;
        watch_socket(peer, EPOLL_CTL_MOD);
    }
}

void peer_send(struct peer *peer, struct slice text)
{
    ws_client_send(&peer->ws, text);
    loop_queue(peer->loop, peer);
}

void peer_open(struct loop *loop, struct peer *peer, const struct ws_target *target, const char *token,
               unsigned source)
{
    peer->loop = loop;
    peer->ready = peer->deaf = false;
    peer->waiting = true; /* for the connection to be made */
    peer->opened_ns = bench_now_ns();
    if (!ws_client_open(&peer->ws, target, token, source, &loop->input))
        bench_fail("cannot connect: %s", peer->ws.error);
    watch_socket(peer, EPOLL_CTL_ADD);
}

void peer_stop_reading(struct peer *peer)
{
    peer->deaf = true;
    watch_socket(peer, EPOLL_CTL_MOD);
}

void peer_close(struct peer *peer)
{
    struct loop *loop = peer->loop;
    for (size_t i = 0; peer->queued && i < loop->queue_count; i++)
        if (loop->queue[i] == peer)
            loop->queue[i] = NULL;
    peer->queued = false;
    ws_client_free(&peer->ws); /* epoll forgets a descriptor that is closed */
}

void peer_take_events(struct peer *peer)
{
    struct slice text;
    enum ws_event event;
    while ((event = ws_client_next(&peer->ws, &text)) != WS_AGAIN) {
        if (event == WS_MESSAGE) {
            peer->events->message(peer, text);
        } else if (event == WS_OPENED) {
            if (peer->events->opened)
                peer->events->opened(peer);
        } else {
            if (!peer->events->closed)
                bench_fail("a connection ended: %s", peer->ws.error);
            peer->events->closed(peer);
            return;
        }
    }
    if (ws_client_wants_to_write(&peer->ws))
        loop_queue(peer->loop, peer); /* a pong */
}
