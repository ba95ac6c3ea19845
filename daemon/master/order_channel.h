#ifndef DAEMON_MASTER_ORDER_CHANNEL_H
#define DAEMON_MASTER_ORDER_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/ipc/orders.h"

struct event_base;

/*
 * The master's end of a child's order channel. What the child is too far behind to take waits here, in a
 * bounded queue, with its descriptors.
 */

struct order_channel;

enum {
    ORDER_CHANNEL_MOST = 64,  /* orders that may wait */
    ORDER_CHANNEL_BEHIND = 8, /* with so many the child is given no more connections */
};

/** What the owner is told. ->drained: nothing waits any more. That the child is gone SIGCHLD says. */
struct order_channel_callbacks {
    void (*report)(void *context, const struct order *report);
    void (*drained)(void *context);
};

/** Takes over @fd (nonblocking). The callbacks are kept by reference. NULL with errno. */
[[gnu::warn_unused_result]] struct order_channel *
order_channel_create(struct event_base *base, int fd, const struct order_channel_callbacks *callbacks,
                     void *context);

/** Sends @order with ->count descriptors, or lets it wait. The descriptors are the channel's from now on: it
 * closes them when they are sent. False: too much waits or the child is gone; the descriptors are closed. */
bool order_channel_send(struct order_channel *channel, const struct order *order, const int *descriptors);

/** Reads the reports that are there now: when the child has ended. */
void order_channel_read(struct order_channel *channel);

/** Orders that wait. */
size_t order_channel_waiting(const struct order_channel *channel);

/** Closes it and everything that waits. NULL is allowed. */
void order_channel_free(struct order_channel **channel);

#endif
