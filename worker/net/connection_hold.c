#include "worker/net/connection_hold.h"

#include "shared/base/clock.h"
#include "worker/net/connection_close.h"
#include "worker/net/connection_half_read.h"
#include "worker/net/connection_write.h"
#include "worker/net/network_state.h"
#include "worker/net/read_ahead.h"

/*
 * Calls that are not taken up yet. What was read when no work is left in a pass waits for the next one.
 *
 * Back-pressure on calls: while the owner takes no messages they wait, up to a window; beyond that the
 * connection is not read, so that its client has to wait as well. One that does not read its answers before
 * all its calls are sent would wait for ever: so what stands in a full window is refused after a while.
 */

static void become_full(struct connection *connection, bool full)
{
    if (connection->full == full)
        return;
    connection->full = full;
    connection->network->full += full;
    connection->network->full -= !full;
    if (full && !connection->judged)
        connection_mark_unread(connection);
    connection->judged |= full;
}

/* A quarter of the memory for calls: the rest is for those that are taken up, and for what comes in part. */
static uint64_t ahead_most(const struct network *network)
{
    return network->options.config->limits.worker_calls_bytes / 4;
}

bool connection_hold_is_much(const struct network *network)
{
    return network->ahead >= ahead_most(network);
}

bool connection_is_full(struct connection *connection)
{
    struct network *network = connection->network;
    uint64_t window = network->options.config->limits.read_ahead_bytes;
    size_t ahead = read_ahead_bytes(connection->ahead);
    bool control = connection->kind == CONNECTION_CONTROL;
    if (control)
        window *= CONTROL_BOUNDS;
    bool holds = connection->held && connection->state == CONNECTION_OPEN;
    bool pauses = holds && ahead > 0 && ahead < window && !control && connection_hold_is_much(network);
    network->ahead_pauses |= pauses;
    become_full(connection, pauses || (holds && ahead >= window));
    return connection->full;
}

/* When a good part of it has gone, so that they are not all looked at for every byte. */
void connection_hold_read_on(struct network *network)
{
    struct connection *connection;
    if (!network->ahead_pauses || network->ahead >= ahead_most(network) / 4 * 3)
        return;
    network->ahead_pauses = false;
    LIST_FOREACH (connection, &network->all, all) {
        work_charge(network->options.work, WORK_NODE);
        if (connection->full)
            connection_arm(connection);
    }
}

void connection_take_message(struct connection *connection, struct slice message, bool binary)
{
    struct network *network = connection->network;
    /* That was asked before the connection was read, too, but this message may have been sent since. */
    if (connection->held || connection->ahead || !network_takes_calls(network))
        read_ahead_add(&connection->ahead, &network->ahead, message, binary, clock_monotonic_ms());
    else
        network->events.message(network->context, connection, message, binary);
}

void connection_give_ahead(struct connection *connection)
{
    struct network *network = connection->network;
    struct slice message;
    bool binary;
    while (!connection->held && connection->state == CONNECTION_OPEN && network_takes_calls(network) &&
           read_ahead_take(&connection->ahead, clock_monotonic_ms(), &message, &binary))
        network->events.message(network->context, connection, message, binary);
    if (connection->state != CONNECTION_OPEN)
        connection_forget_ahead(connection);
    else if (connection->peer_done)
        connection_queue(connection); /* to be settled, also when nothing is answered */
}

void connection_forget_ahead(struct connection *connection)
{
    become_full(connection, false);
    read_ahead_free(&connection->ahead);
}

void connection_hold(struct connection *connection, bool hold)
{
    if (connection->held == hold || connection->state != CONNECTION_OPEN)
        return;
    connection->held = hold;
    connection_arm(connection);
}

/* As far as there is room for the answers: one that reads none of them is not for them. What is left when the
 * owner has not got to one, or no work is left, has stood for as long as before, and is refused the next time. */
static void refuse_all(struct connection *connection)
{
    struct network *network = connection->network;
    const uint64_t moved_ms = read_ahead_moved_ms(connection->ahead);
    struct slice message;
    bool binary;
    while (connection->state == CONNECTION_OPEN && connection_kept_by_owner(connection) == 0 &&
           work_left(network->options.work, WORK_KEPT_BY_CALLS) &&
           connection->output.reply_bytes < connection_reply_limit(connection) &&
           read_ahead_take(&connection->ahead, moved_ms, &message, &binary))
        network->events.refused(network->context, connection, message);
    if (connection->state != CONNECTION_OPEN)
        connection_forget_ahead(connection);
    else
        connection_arm(connection);
}

void connection_refuse_waiting(struct connection *connection)
{
    struct network *network = connection->network;
    struct slice message;
    bool binary;
    while (connection->state == CONNECTION_OPEN &&
           read_ahead_take(&connection->ahead, clock_monotonic_ms(), &message, &binary))
        network->events.refused(network->context, connection, message);
}

void connection_hold_refuse_standing(struct network *network)
{
    uint64_t now_ms = clock_monotonic_ms();
    if (network->full == 0)
        return;
    network_enter(network);
    struct connection *connection = LIST_FIRST(&network->all), *next;
    for (; connection; connection = next) {
        next = LIST_NEXT(connection, all);
        if (connection->full && connection->ahead &&
            now_ms - read_ahead_moved_ms(connection->ahead) >= STANDS_MS)
            refuse_all(connection);
    }
    network_leave(network);
}
