#include "client/bench/loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "shared/base/memory.h"

enum { EVENTS = 512 };

void loop_init(struct loop *loop)
{
    *loop = (struct loop){.epoll = epoll_create1(EPOLL_CLOEXEC)};
    if (loop->epoll < 0)
        bench_fail("epoll: %s", strerror(errno));
}

void loop_free(struct loop *loop)
{
    close(loop->epoll);
    ws_input_free(&loop->input);
    free(loop->queue);
}

void loop_need_descriptors(uint64_t count)
{
    struct rlimit limit;
    uint64_t needed = count + 64;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        bench_fail("getrlimit: %s", strerror(errno));
    if (limit.rlim_cur >= needed)
        return;
    limit.rlim_cur = needed;
    if (limit.rlim_max < needed)
        limit.rlim_max = needed;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        bench_fail("%llu connections need %llu open files; the limit is lower (ulimit -Hn)",
                   (unsigned long long)count, (unsigned long long)needed);
}

static void watch(struct peer *peer, int operation)
{
    struct epoll_event event = {.events = (peer->deaf ? 0 : EPOLLIN) | (peer->waiting ? EPOLLOUT : 0),
                                .data.ptr = peer};
    if (epoll_ctl(peer->loop->epoll, operation, peer->ws.fd, &event) < 0)
        bench_fail("epoll: %s", strerror(errno));
}

static void send_queued(struct peer *peer)
{
    bool wait = !ws_client_flush(&peer->ws);
    if (wait != peer->waiting) {
        peer->waiting = wait;
        watch(peer, EPOLL_CTL_MOD);
    }
}

static void queue_peer(struct peer *peer)
{
    struct loop *loop = peer->loop;
    if (peer->queued || peer->waiting)
        return;
    if (loop->queue_count == loop->queue_capacity) {
        loop->queue_capacity = loop->queue_capacity ? 2 * loop->queue_capacity : 256;
        loop->queue = memory_resize(loop->queue, loop->queue_capacity, sizeof(struct peer *));
    }
    loop->queue[loop->queue_count++] = peer;
    peer->queued = true;
}

void peer_send(struct peer *peer, struct slice text)
{
    ws_client_send(&peer->ws, text);
    queue_peer(peer);
}

void loop_send(struct loop *loop)
{
    for (size_t i = 0; i < loop->queue_count; i++) {
        struct peer *peer = loop->queue[i];
        if (!peer)
            continue;
        peer->queued = false;
        send_queued(peer);
    }
    loop->queue_count = 0;
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
    watch(peer, EPOLL_CTL_ADD);
}

void peer_stop_reading(struct peer *peer)
{
    peer->deaf = true;
    watch(peer, EPOLL_CTL_MOD);
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

static void take_events(struct peer *peer)
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
        queue_peer(peer); /* a pong */
}

void loop_pass(struct loop *loop, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    loop_send(loop);
    int count = epoll_wait(loop->epoll, events, EVENTS, timeout_ms);
    if (count < 0 && errno != EINTR)
        bench_fail("epoll: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
        struct peer *peer = events[i].data.ptr;
        if (events[i].events & EPOLLOUT)
            send_queued(peer);
        if (!(events[i].events & ~(uint32_t)EPOLLOUT) || !ws_client_read(&peer->ws))
            continue;
        loop->now_ns = bench_now_ns();
        take_events(peer);
    }
    loop_send(loop);
}
