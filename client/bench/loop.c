#include "client/bench/loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "client/bench/peer.h"
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

void loop_queue(struct loop *loop, struct peer *peer)
{
    if (peer->queued || peer->waiting)
        return;
    if (loop->queue_count == loop->queue_capacity) {
        loop->queue_capacity = loop->queue_capacity ? 2 * loop->queue_capacity : 256;
        loop->queue = memory_resize(loop->queue, loop->queue_capacity, sizeof(struct peer *));
    }
    loop->queue[loop->queue_count++] = peer;
    peer->queued = true;
}

void loop_send(struct loop *loop)
{
    for (size_t i = 0; i < loop->queue_count; i++) {
        struct peer *peer = loop->queue[i];
        if (!peer)
            continue;
        peer->queued = false;
        peer_send_queued(peer);
    }
    loop->queue_count = 0;
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
            peer_send_queued(peer);
        if (!(events[i].events & ~(uint32_t)EPOLLOUT) || !ws_client_read(&peer->ws))
            continue;
        loop->now_ns = bench_now_ns();
        peer_take_events(peer);
    }
    loop_send(loop);
}
