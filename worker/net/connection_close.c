#include "worker/net/connection_close.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/ipc/frame_header.h"
#include "shared/ipc/scoreboard.h"
#include "worker/net/connection_address.h"
#include "worker/net/connection_hold.h"
#include "worker/net/connection_write.h"
#include "worker/net/frame_write.h"
#include "worker/net/http/http.h"
#include "worker/net/network_state.h"
#include "worker/net/read_ahead.h"

/*
 * How a connection ends, whoever begins it, RFC 6455 section 7.1.1 and RFC 9112 section 9.6:
 *
 *   1. When it is the peer: answers to calls that it has made are waited for, CLOSE_MS at most.
 *   2. What was promised is written, the close frame (over HTTP, the answer) last: the replies that are
 *      queued and the changes up to this moment. What comes meanwhile is thrown away.
 *   3. Our side is shut down.
 *   4. What the peer still sends is read and thrown away up to its end. Only then is the descriptor closed:
 *      close(2) with bytes that nobody has read resets the connection, and what the peer has not got by then
 *      is lost.
 *
 * A peer that takes nothing for CLOSE_MS, or too little in CLOSE_ROUNDS of these, is cut off. A connection
 * that broke is closed at once.
 */

/* Nothing is sent any more: the owner need not know it. */
static void tell_closed(struct connection *connection)
{
    struct network *network = connection->network;
    connection_count_behind(connection);
    if (connection->http)
        http_gone(connection);
    if (!connection->opened)
        return;
    connection->opened = false;
    network->events.closed(network->context, connection);
}

static void stop_pings(struct connection *connection)
{
    if (connection->state == CONNECTION_OPEN && !connection->peer_done)
        timers_ping_stop(connection->network->timers, connection);
}

void connection_gone(struct connection *connection)
{
    struct network *network = connection->network;
    if (!connection_alive(connection))
        return;
    stop_pings(connection);
    network_set_state(connection, CONNECTION_DEAD);
    timers_deadline(network->timers, connection, 0);
    connection_unqueue(connection);
    event_del(&connection->event); /* also one that was made active by hand */
    connection->armed = 0;
    close(connection->fd);
    connection->fd = -1;
    if (connection->kind != CONNECTION_CONTROL && network->options.config->limits.connections_per_address > 0)
        address_table_remove(network->addresses, connection->family, connection->address);
    if (network->options.score)
        atomic_fetch_sub_explicit(&network->options.score->connections, 1, memory_order_relaxed);
    LIST_REMOVE(connection, all);
    LIST_INSERT_HEAD(&network->dead, connection, all);
    network->count--;
    tell_closed(connection);
}

/* Bytes that were written and that the peer has not taken. */
static uint32_t unread_bytes(const struct connection *connection)
{
    int bytes;
    return ioctl(connection->fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (uint32_t)bytes : 0;
}

void connection_mark_unread(struct connection *connection)
{
    connection->unread = unread_bytes(connection);
}

bool connection_has_taken(struct connection *connection)
{
    uint32_t before = connection->unread;
    connection_mark_unread(connection);
    return connection->unread < before || (connection->unread == 0 && !connection->blocked);
}

static void closing_deadline(struct connection *connection)
{
    connection_mark_unread(connection);
    timers_deadline(connection->network->timers, connection, CLOSE_MS);
}

/* From now on nothing is sent but what is queued. */
static void begin_closing(struct connection *connection)
{
    stop_pings(connection);
    network_set_state(connection, CONNECTION_CLOSING);
    connection->paused = connection->held = connection->log_in_first = false;
    closing_deadline(connection);
    connection_arm(connection);
}

void connection_refuse(struct connection *connection, struct slice response)
{
    begin_closing(connection);
    connection->close_urgent = true;
    output_open(&connection->output, connection->network->options.backlog, NULL);
    output_urgent(&connection->output, response);
    connection_write(connection);
}

/* What may still go out before a close frame. */
enum close_after { CLOSE_AFTER_NOTHING, CLOSE_AFTER_REPLIES, CLOSE_AFTER_CHANGES };

static void close_with(struct connection *connection, uint16_t code, const char *reason,
                       enum close_after after)
{
    struct network *network = connection->network;
    char address[64];
    log_debug("%s: closing with %u %s", connection_address(connection, address), (unsigned)code, reason);
    begin_closing(connection);
    connection->close_code = code;
    connection->close_urgent = after == CLOSE_AFTER_NOTHING;
    buffer_clear(&network->scratch);
    frame_close_append(&network->scratch, code, reason);
    struct slice frame = buffer_slice(&network->scratch);
    if (after == CLOSE_AFTER_NOTHING)
        output_urgent(&connection->output, frame);
    else
        output_reply(&connection->output, frame,
                     after == CLOSE_AFTER_CHANGES ? backlog_last_seq(network->options.backlog) : 0);
    connection_queue(connection);
}

void connection_close(struct connection *connection, uint16_t code, const char *reason)
{
    if (connection->state == CONNECTION_HTTP)
        http_close(connection);
    else if (connection->state == CONNECTION_OPEN)
        close_with(connection, code, reason ? reason : "",
                   code == CLOSE_POLICY ? CLOSE_AFTER_REPLIES : CLOSE_AFTER_CHANGES);
}

void connection_cut(struct connection *connection, uint16_t code, const char *reason)
{
    const struct output *output = &connection->output;
    bool begun = output->unfinished == OUTPUT_REPLY && output->first == output->last;
    bool waits = connection->state == CONNECTION_CLOSING && !connection->close_urgent && !begun;
    if (connection->state == CONNECTION_OPEN || waits) /* in the latter case one stays behind in the queue */
        close_with(connection, code, reason, CLOSE_AFTER_NOTHING);
}

static const char *fault_of(uint16_t code)
{
    switch (code) {
    case CLOSE_UNSUPPORTED:
        return "only text messages";
    case CLOSE_BAD_DATA:
        return "not UTF-8";
    case CLOSE_TOO_BIG:
        return "message too long";
    default:
        return "protocol error";
    }
}

void connection_fail(struct connection *connection, uint16_t code)
{
    if (connection->state == CONNECTION_OPEN)
        close_with(connection, code, fault_of(code), CLOSE_AFTER_REPLIES);
}

void connection_settle(struct connection *connection)
{
    struct network *network = connection->network;
    bool owes = network->events.owes && network->events.owes(network->context, connection);
    if (owes)
        return;
    if (read_ahead_bytes(connection->ahead) == 0)
        close_with(connection, connection->close_code, "", CLOSE_AFTER_CHANGES);
    else if (connection_is_read(connection)) /* what is open is not for a client that has closed */
        connection_hold(connection, false);
}

/* Our close frame will have @code. */
static void peer_is_done(struct connection *connection, uint16_t code)
{
    if (connection->state != CONNECTION_OPEN || connection->peer_done)
        return;
    stop_pings(connection);
    connection->peer_done = true;
    connection->close_code = code;
    timers_deadline(connection->network->timers, connection, CLOSE_MS);
    connection_settle(connection);
}

/* RFC 6455 section 5.5.1: the answer carries the code that came. */
void connection_peer_closed(struct connection *connection, uint16_t code)
{
    peer_is_done(connection, code == CLOSE_NONE ? CLOSE_NO_STATUS : code);
}

void connection_peer_ended(struct connection *connection)
{
    switch ((enum connection_state)connection->state) {
    case CONNECTION_HTTP:
        http_peer_ended(connection);
        return;
    case CONNECTION_OPEN:
    case CONNECTION_CLOSING: /* it may have shut down its side alone, and still read */
        connection->eof = true;
        peer_is_done(connection, CLOSE_NORMAL);
        connection_arm(connection);
        return;
    case CONNECTION_HANDSHAKE:
    case CONNECTION_LINGER:
    case CONNECTION_DEAD:
        connection_gone(connection);
        return;
    }
}

void connection_linger(struct connection *connection)
{
    if (connection->eof || shutdown(connection->fd, SHUT_WR) != 0) {
        connection_gone(connection);
        return;
    }
    connection_unqueue(connection);
    network_set_state(connection, CONNECTION_LINGER);
    connection->blocked = false;
    connection->paused = connection->held = connection->log_in_first = false;
    connection_arm(connection);
    closing_deadline(connection);
    tell_closed(connection);
    connection_forget(connection);
}

/* Whether the peer has taken some of what was left at the last deadline, and may get another one. */
static bool goes_on(struct connection *connection)
{
    return unread_bytes(connection) < connection->unread && connection->close_rounds++ < CLOSE_ROUNDS;
}

void connection_expired(struct connection *connection)
{
    bool closing = connection->state == CONNECTION_CLOSING;
    bool waits = closing && !connection->close_urgent && !connection->blocked &&
                 connection->output.unfinished == OUTPUT_NOTHING;
    switch ((enum connection_state)connection->state) {
    case CONNECTION_HANDSHAKE: /* what was said over HTTP before may still be on its way */
        connection_linger(connection);
        return;
    case CONNECTION_HTTP:
        http_expired(connection);
        return;
    case CONNECTION_OPEN:
        if (connection->peer_done)
            close_with(connection, connection->close_code, "", CLOSE_AFTER_CHANGES);
        else
            connection_close(connection, CLOSE_POLICY, "not authorized in time");
        return;
    case CONNECTION_CLOSING:
    case CONNECTION_LINGER:
        if (waits) /* not for the peer */
            connection_cut(connection, connection->close_code, "");
        else if (goes_on(connection))
            closing_deadline(connection);
        else
            connection_gone(connection);
        return;
    case CONNECTION_DEAD:
        return;
    }
}
