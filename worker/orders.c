#include "worker/orders.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/ipc/descriptors.h"
#include "shared/ipc/orders.h"
#include "worker/base/committer_link.h"
#include "worker/base/watcher_link.h"
#include "worker/net/connection.h"
#include "worker/net/network.h"
#include "worker/stopping.h"

/* Packets taken in one pass of the loop: each may carry a batch of connections. */
enum { PACKETS_IN_A_PASS = 8 };

struct orders {
    struct event readable;
};

static void close_descriptors(const int *descriptors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(descriptors[i]);
}

static void follow_order(struct worker *worker, const struct order *order, const int *descriptors,
                         size_t count)
{
    switch ((enum order_type)order->type) {
    case ORDER_CONNECTIONS:
        for (size_t i = 0; i < count; i++)
            network_add(worker->network, descriptors[i], (enum connection_kind)order->kinds[i]);
        return;
    case ORDER_LINK:
        if (count != 1)
            break;
        committer_link_connect(worker->link, descriptors[0]);
        return;
    case ORDER_WATCH_LINK:
        if (count != 1)
            break;
        watcher_link_connect(worker->watcher, descriptors[0]);
        return;
    case ORDER_STOP:
        stopping_begin(worker);
        close_descriptors(descriptors, count);
        return;
    case REPORT_READY:
    case REPORT_STOP_REQUESTED:
    case REPORT_FAILED:
    case REPORT_LINK_LOST:
    case REPORT_WATCH_LINK_LOST:
        break;
    }
    log_error("the master sent an order of unknown type %u", (unsigned)order->type);
    close_descriptors(descriptors, count);
}

static void report_to_master(struct worker *worker, enum order_type type)
{
    struct order order = {.type = type, .slot = worker->slot};
    if (!fdpass_send(worker->order_channel, &order, sizeof order, NULL, 0))
        log_error("the master could not be told: %m");
}

/* No descriptor was free for all that came with @order: none of them is here. */
static void make_good(struct worker *worker, const struct order *order)
{
    uint32_t lost = order->count <= FDPASS_MOST ? order->count : 0;
    log_warning("%u descriptors that the master sent are lost: no more are available (RLIMIT_NOFILE)", lost);
    if (order->type == ORDER_CONNECTIONS)
        atomic_fetch_sub_explicit(&worker->score->connections, lost, memory_order_relaxed);
    if (order->type == ORDER_LINK)
        report_to_master(worker, REPORT_LINK_LOST);
    if (order->type == ORDER_WATCH_LINK)
        report_to_master(worker, REPORT_WATCH_LINK_LOST);
}

static void on_order(evutil_socket_t fd, short what, void *argument)
{
    (void)what;
    struct worker *worker = argument;
    for (unsigned i = 0; i < PACKETS_IN_A_PASS; i++) {
        struct order order = {0};
        int descriptors[FDPASS_MOST];
        size_t count = 0;
        ssize_t got = fdpass_receive(fd, &order, sizeof order, descriptors, &count);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            return;
        if (got < 0 && errno == EBADMSG) {
            make_good(worker, &order);
            continue;
        }
        if (got <= 0) {
            log_error("the master is gone: stopping");
            event_del(&worker->orders->readable);
            worker->running = false;
            return;
        }
        if ((size_t)got != sizeof order || order.count != count) {
            log_error("the master sent an order of %zd bytes with %zu descriptors", got, count);
            close_descriptors(descriptors, count);
            continue;
        }
        follow_order(worker, &order, descriptors, count);
    }
}

static void request_stop(struct worker *worker)
{
    report_to_master(worker, REPORT_STOP_REQUESTED);
}

void orders_open(struct worker *worker)
{
    struct orders *orders = worker->orders = memory_zeroed(1, sizeof *orders);
    worker->request_stop = request_stop;
    event_assign(&orders->readable, worker->base, worker->order_channel, EV_READ | EV_PERSIST, on_order,
                 worker);
    if (event_add(&orders->readable, NULL) != 0)
        log_fatal("the order channel cannot be watched");
}

void orders_ready(struct worker *worker)
{
    if (!worker->running)
        return;
    atomic_store(&worker->score->connections_most, descriptors_room());
    report_to_master(worker, REPORT_READY);
}

void orders_close(struct worker *worker)
{
    event_del(&worker->orders->readable);
    free(worker->orders);
    worker->orders = NULL;
}
