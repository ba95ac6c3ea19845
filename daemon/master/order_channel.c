#include "daemon/master/order_channel.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/base/memory.h"

struct waiting {
    struct order order;
    int descriptors[FDPASS_MOST];
};

struct order_channel {
    int fd;
    const struct order_channel_callbacks *callbacks;
    void *context;
    struct event *readable;
    struct event *writable;
    struct event *again; /* the kernel has too many descriptors under way: no event says when that is over */
    size_t first;        /* queue[first % MOST] waits longest */
    size_t count;
    struct waiting *queue;
};

enum { AGAIN_MS = 20 };

static void close_all(const int *descriptors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(descriptors[i]);
}

/* 1: sent; 0: the child is behind; -1: it is gone. */
static int send_now(struct order_channel *channel, const struct order *order, const int *descriptors)
{
    if (fdpass_send(channel->fd, order, sizeof *order, descriptors, order->count)) {
        close_all(descriptors, order->count);
        return 1;
    }
    switch (errno) {
    case EAGAIN:
    case EINTR:
    case ENOBUFS:
    case ENOMEM:
    case ETOOMANYREFS:
        return 0;
    }
    return -1;
}

static void wait_for_room(struct order_channel *channel)
{
    if (errno == EAGAIN)
        event_add(channel->writable, NULL);
    else
        event_add(channel->again, &(struct timeval){.tv_usec = AGAIN_MS * 1000});
}

static void write_waiting(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what;
    struct order_channel *channel = argument;
    while (channel->count > 0) {
        struct waiting *oldest = &channel->queue[channel->first % ORDER_CHANNEL_MOST];
        int sent = send_now(channel, &oldest->order, oldest->descriptors);
        if (sent == 0) {
            wait_for_room(channel);
            return;
        }
        if (sent < 0)
            close_all(oldest->descriptors, oldest->order.count);
        channel->first++;
        channel->count--;
    }
    channel->callbacks->drained(channel->context);
}

/* False: there is nothing more to read. */
static bool read_one_order(struct order_channel *channel)
{
    struct order report;
    int descriptors[FDPASS_MOST];
    size_t count = 0;
    ssize_t length = fdpass_receive(channel->fd, &report, sizeof report, descriptors, &count);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (length < 0 && errno == EBADMSG)
        return true; /* no report */
    if (length > 0)
        close_all(descriptors, count); /* no report carries any */
    if (length == (ssize_t)sizeof report) {
        channel->callbacks->report(channel->context, &report);
        return true;
    }
    event_del(channel->readable);
    return false;
}

static void channel_on_readable(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what;
    (void)read_one_order(argument);
}

void order_channel_read(struct order_channel *channel)
{
    while (read_one_order(channel))
        ;
}

struct order_channel *order_channel_create(struct event_base *base, int fd,
                                           const struct order_channel_callbacks *callbacks, void *context)
{
    struct order_channel *channel = memory_zeroed(1, sizeof *channel);
    channel->fd = fd;
    channel->callbacks = callbacks;
    channel->context = context;
    channel->queue = memory_zeroed(ORDER_CHANNEL_MOST, sizeof *channel->queue);
    channel->readable = event_new(base, fd, EV_READ | EV_PERSIST, channel_on_readable, channel);
    channel->writable = event_new(base, fd, EV_WRITE, write_waiting, channel);
    channel->again = event_new(base, -1, 0, write_waiting, channel);
    if (channel->readable && channel->writable && channel->again && event_add(channel->readable, NULL) == 0)
        return channel;
    order_channel_free(&channel);
    return NULL;
}

bool order_channel_send(struct order_channel *channel, const struct order *order, const int *descriptors)
{
    int sent = channel->count > 0 ? 0 : send_now(channel, order, descriptors);
    if (sent > 0)
        return true;
    if (sent < 0 || channel->count == ORDER_CHANNEL_MOST) {
        close_all(descriptors, order->count);
        return false;
    }
    if (channel->count == 0)
        wait_for_room(channel);
    struct waiting *last = &channel->queue[(channel->first + channel->count++) % ORDER_CHANNEL_MOST];
    last->order = *order;
    if (order->count > 0)
        memcpy(last->descriptors, descriptors, order->count * sizeof *descriptors);
    return true;
}

size_t order_channel_waiting(const struct order_channel *channel)
{
    return channel->count;
}

void order_channel_free(struct order_channel **channel)
{
    struct order_channel *gone = *channel;
    if (!gone)
        return;
    *channel = NULL;
    struct event *events[] = {gone->readable, gone->writable, gone->again};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (events[i])
            event_free(events[i]);
    for (; gone->count > 0; gone->count--, gone->first++) {
        const struct waiting *each = &gone->queue[gone->first % ORDER_CHANNEL_MOST];
        close_all(each->descriptors, each->order.count);
    }
    close(gone->fd);
    free(gone->queue);
    free(gone);
}
