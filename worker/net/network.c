#include "worker/net/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/ipc/scoreboard.h"
#include "worker/net/connection_address.h"
#include "worker/net/connection_close.h"
#include "worker/net/connection_hold.h"
#include "worker/net/connection_write.h"
#include "worker/net/network_state.h"

enum { WRITES_LEAST = 8 }; /* in a pass, when steps that could not be cut have used it up */

/*
 * The set of connections of one worker: how they come in and how their memory goes. What happens on one is in
 * connection.c (reading) and in the other files connection_*.c.
 */

struct network *network_create(struct event_base *base, const struct network_options *options,
                               const struct network_events *events, void *context)
{
    struct network *network = memory_zeroed(1, sizeof *network);
    network->base = base;
    network->options = *options;
    network->events = *events;
    network->context = context;
    network->handshake = (struct handshake_options){.origins = options->config->origins,
                                                    .origin_count = options->config->origin_count,
                                                    .accept_any_path = options->any_path};
    network->frames = frame_pool_create(options->config->limits.message_bytes);
    network->addresses = address_table_create(options->address_counts, options->slot);
    network->timers = timers_create(base, network, options->config->ping_interval_ms);
    LIST_INIT(&network->all);
    LIST_INIT(&network->dead);
    TAILQ_INIT(&network->ready);
    TAILQ_INIT(&network->current);
    return network;
}

void network_free(struct network **owned)
{
    struct network *network = *owned;
    if (!network)
        return;
    *owned = NULL;
    network_enter(network);
    while (!LIST_EMPTY(&network->all))
        connection_gone(LIST_FIRST(&network->all));
    network_leave(network);
    timers_free(&network->timers);
    address_table_free(&network->addresses);
    frame_pool_free(&network->frames);
    buffer_free(&network->scratch);
    free(network);
}

void network_enter(struct network *network)
{
    network->depth++;
}

void network_leave(struct network *network)
{
    if (--network->depth > 0)
        return;
    while (!LIST_EMPTY(&network->dead)) {
        struct connection *connection = LIST_FIRST(&network->dead);
        LIST_REMOVE(connection, all);
        connection_forget(connection);
        free(connection);
    }
    timers_run(network->timers, network->count > 0);
}

/* An IPv4 client of an IPv6 listener has an address like ::ffff:192.0.2.1; it is kept as the IPv4 address it
 * is. */
static void take_address6(struct connection *connection, const struct sockaddr_in6 *peer)
{
    connection->port = ntohs(peer->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&peer->sin6_addr)) {
        connection->family = AF_INET;
        memcpy(connection->address, peer->sin6_addr.s6_addr + 12, 4);
    } else {
        connection->family = AF_INET6;
        memcpy(connection->address, peer->sin6_addr.s6_addr, 16);
    }
}

static bool take_address(struct connection *connection)
{
    union {
        struct sockaddr_storage storage;
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } peer = {0};
    socklen_t length = sizeof peer;
    if (getpeername(connection->fd, &peer.any, &length) != 0)
        return false;
    connection->family = AF_UNIX;
    if (peer.any.sa_family == AF_INET6) {
        take_address6(connection, &peer.v6);
    } else if (peer.any.sa_family == AF_INET) {
        connection->family = AF_INET;
        connection->port = ntohs(peer.v4.sin_port);
        memcpy(connection->address, &peer.v4.sin_addr, 4);
    }
    return true;
}

static bool prepare_socket(const struct connection *connection)
{
    int flags = fcntl(connection->fd, F_GETFL);
    if (flags < 0 || (!(flags & O_NONBLOCK) && fcntl(connection->fd, F_SETFL, flags | O_NONBLOCK) < 0))
        return false;
    const int yes = 1;
    return connection->family == AF_UNIX ||
           setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0;
}

/* Once in a while: a crowd at the door must not fill the log as well. */
static void warn_full(struct network *network)
{
    uint64_t now = clock_monotonic_ms();
    network->refused++;
    if (network->refused > 1 && now - network->warned_ms < WARN_EVERY_MS)
        return;
    log_warning("limits.connections (%llu) is reached; refused since the start: %llu",
                (unsigned long long)network->options.config->limits.connections,
                (unsigned long long)network->refused);
    network->warned_ms = now;
}

static bool is_admitted(struct network *network, const struct connection *connection)
{
    const struct config_limits *limits = &network->options.config->limits;
    if (connection->kind == CONNECTION_CONTROL)
        return true;
    if (network->count >= limits->connections) {
        warn_full(network);
        return false;
    }
    if (limits->connections_per_address == 0 ||
        address_table_add(network->addresses, connection->family, connection->address,
                          limits->connections_per_address))
        return true;
    char text[64];
    log_info("%s: refused, limits.connections_per_address is %llu", connection_address(connection, text),
             (unsigned long long)limits->connections_per_address);
    return false;
}

static void refuse_descriptor(struct network *network, struct connection *connection)
{
    close(connection->fd);
    free(connection);
    if (network->options.score)
        atomic_fetch_sub_explicit(&network->options.score->connections, 1, memory_order_relaxed);
}

void network_add(struct network *network, int fd, enum connection_kind kind)
{
    struct connection *connection = memory_zeroed(1, sizeof *connection);
    connection->network = network;
    connection->fd = fd;
    connection->kind = (uint8_t)kind;
    connection->state = CONNECTION_HANDSHAKE;
    if (!take_address(connection) || !prepare_socket(connection) || !is_admitted(network, connection)) {
        refuse_descriptor(network, connection);
        return;
    }
    LIST_INSERT_HEAD(&network->all, connection, all);
    network->count++;
    network->heads++;
    network_enter(network);
    timers_run(network->timers, true);
    timers_deadline(network->timers, connection, network->options.config->limits.handshake_ms);
    connection_arm(connection);
    network_leave(network);
}

void network_backlog_grew(struct network *network)
{
    if (TAILQ_EMPTY(&network->current))
        return;
    TAILQ_CONCAT(&network->ready, &network->current, queue);
    network->stamp++;
}

void network_backlog_drops(struct network *network, uint64_t first)
{
    if (first <= network->dropped_first)
        return;
    network->dropped_first = first;
    struct connection *connection = LIST_FIRST(&network->all);
    for (; connection; connection = LIST_NEXT(connection, all)) {
        if (!connection->opened)
            continue;
        work_charge(network->options.work, WORK_NODE);
        output_fall_behind(&connection->output, network->options.backlog, first, network->options.work);
        connection_count_behind(connection);
    }
}

bool network_flush(struct network *network, unsigned most)
{
    network->fresh = 0;
    network_enter(network);
    connection_hold_read_on(network);
    struct work *work = network->options.work;
    for (unsigned i = 0;
         i < most && !TAILQ_EMPTY(&network->ready) && (work_left(work, 0) || i < WRITES_LEAST); i++) {
        work_charge(work, WORK_NODE);
        connection_write(TAILQ_FIRST(&network->ready));
    }
    if (network->scratch.capacity > SCRATCH_KEPT)
        buffer_free(&network->scratch);
    network_leave(network);
    return !TAILQ_EMPTY(&network->ready);
}

bool network_takes_calls(const struct network *network)
{
    return work_left(network->options.work, WORK_KEPT_BY_CALLS) &&
           (!network->events.ready || network->events.ready(network->context));
}

void network_each(struct network *network, void (*each)(struct connection *, void *), void *argument)
{
    network_enter(network);
    struct connection *connection = LIST_FIRST(&network->all), *next;
    for (; connection; connection = next) {
        next = LIST_NEXT(connection, all);
        if (connection->state == CONNECTION_OPEN || connection->state == CONNECTION_HTTP)
            each(connection, argument);
    }
    network_leave(network);
}

uint64_t network_waiting_bytes(const struct network *network)
{
    return network->half_read + network->ahead;
}

unsigned network_connections(const struct network *network)
{
    return network->count - network->heads;
}

unsigned network_descriptors(const struct network *network)
{
    return network->count;
}

size_t network_readers(const struct network *network)
{
    return frame_pool_lent(network->frames);
}
