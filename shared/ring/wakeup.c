#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "shared/ring/layout.h"

/*
 * No wake-up is lost: the worker sets its flag and then looks at the head; the producer moves the head and
 * then looks at the flag; each has a full barrier in between. So at least one of them sees what the other
 * did. A flag is taken down by exchange, so that one sleep costs one write of the eventfd, however many
 * publish.
 */

bool ring_wakeup_open(struct ring *ring, unsigned slots)
{
    assert(slots <= RING_WORKERS);
    while (ring->slots < slots) {
        int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (fd < 0)
            return false;
        ring->wakeup[ring->slots++] = fd;
    }
    return true;
}

void ring_wakeup_close(struct ring *ring)
{
    while (ring->slots > 0)
        close(ring->wakeup[--ring->slots]);
}

int ring_wakeup_fd(const struct ring *ring, unsigned slot)
{
    assert(slot < ring->slots);
    return ring->wakeup[slot];
}

static void write_eventfd(int fd)
{
    ssize_t written;
    do
        written = eventfd_write(fd, 1);
    while (written < 0 && errno == EINTR);
    assert(written == 0 || errno == EAGAIN); /* full: it is readable anyway */
}

void ring_wake(struct ring *ring, bool all)
{
    atomic_thread_fence(memory_order_seq_cst);
    for (unsigned slot = 0; slot < ring->slots; slot++) {
        _Atomic uint32_t *sleeping = &ring->shared->sleepers[slot].sleeping;
        bool asleep =
            atomic_load_explicit(sleeping, memory_order_relaxed) != 0 && atomic_exchange(sleeping, 0) != 0;
        if (asleep || all)
            write_eventfd(ring->wakeup[slot]);
    }
}

bool ring_sleep(struct ring *ring, unsigned slot, const struct ring_cursor *cursor)
{
    assert(slot < ring->slots);
    _Atomic uint32_t *sleeping = &ring->shared->sleepers[slot].sleeping;
    atomic_store_explicit(sleeping, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    if (ring_head(ring) == cursor->position)
        return true;
    atomic_store_explicit(sleeping, 0, memory_order_relaxed);
    return false;
}

void ring_awake(struct ring *ring, unsigned slot)
{
    assert(slot < ring->slots);
    atomic_store_explicit(&ring->shared->sleepers[slot].sleeping, 0, memory_order_relaxed);
    eventfd_t count;
    int result;
    do
        result = eventfd_read(ring->wakeup[slot], &count);
    while (result < 0 && errno == EINTR);
    assert(result == 0 || errno == EAGAIN); /* woken by something else */
}
