#include <sys/socket.h>
#include <unistd.h>

#include "shared/ipc/frame_header.h"
#include "shared/ipc/scoreboard.h"
#include "shared/log.h"
#include "worker/net/network_internal.h"

/*
 * How a connection ends, RFC 6455 section 7. Our close frame is queued, written, and the peer's awaited; then
 * the descriptor is closed. Where the peer may still be sending what nobody will read (after a refused
 * handshake, or frames that could not be understood), only our side is shut down first and its bytes are
 * thrown away for a while: closing at once would make the kernel reset the connection and the peer might
 * never see why.
 */

enum { NO_STATUS = 1005 };

void connection_gone(struct connection *connection)
{
    struct network *network = connection->network;
    if (!connection_alive(connection))
        return;
    if (connection->opened && connection->state == CONNECTION_OPEN)
        timers_ping_stop(network->timers, connection);
    connection->state = CONNECTION_DEAD;
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
    connection_count_behind(connection);
    LIST_REMOVE(connection, all);
    LIST_INSERT_HEAD(&network->dead, connection, all);
    network->count--;
    if (connection->http)
        http_gone(connection);
    if (connection->opened) {
        network->opened--;
        network->events.closed(network->context, connection);
    }
}

/* From now on nothing is sent but what is queued. */
static void begin_closing(struct connection *connection)
{
    struct network *network = connection->network;
    if (connection->state == CONNECTION_OPEN)
        timers_ping_stop(network->timers, connection);
    connection->state = CONNECTION_CLOSING;
    connection->paused = false;
    timers_deadline(network->timers, connection, CLOSE_MS);
    connection_arm(connection);
}

void connection_refuse(struct connection *connection, struct slice response)
{
    begin_closing(connection);
    connection->deaf = true;
    connection->close_urgent = true;
    output_open(&connection->output, connection->network->options.backlog, NULL);
    output_urgent(&connection->output, response);
    connection_write(connection);
}

/* What may still go out in front of a close frame. */
enum close_behind { CLOSE_BEHIND_NOTHING, CLOSE_BEHIND_REPLIES, CLOSE_BEHIND_CHANGES };

static void close_with(struct connection *connection, uint16_t code, const char *reason,
                       enum close_behind behind)
{
    bool urgent = behind == CLOSE_BEHIND_NOTHING;
    bool changes = behind == CLOSE_BEHIND_CHANGES && !connection->output.catching_up;
    struct network *network = connection->network;
    char address[64];
    log_debug("%s: closing with %u %s", connection_address(connection, address), (unsigned)code, reason);
    begin_closing(connection);
    connection->close_code = code;
    connection->close_urgent = urgent;
    buffer_clear(&network->scratch);
    frame_close_append(&network->scratch, code, reason);
    struct slice frame = buffer_slice(&network->scratch);
    if (urgent)
        output_urgent(&connection->output, frame);
    else
        output_reply(&connection->output, frame, changes ? backlog_last_seq(network->options.backlog) : 0);
    connection_queue(connection);
}

void connection_close(struct connection *connection, uint16_t code, const char *reason)
{
    /* What is held back may not go out before its time, and what waits for it does not either. */
    bool held = connection->output.hold_seq != OUTPUT_NO_HOLD;
    if (connection->state == CONNECTION_HTTP)
        http_close(connection);
    else if (connection->state == CONNECTION_OPEN)
        close_with(connection, code, reason ? reason : "",
                   held           ? CLOSE_BEHIND_NOTHING
                   : code == 1008 ? CLOSE_BEHIND_REPLIES
                                  : CLOSE_BEHIND_CHANGES);
}

void connection_cut(struct connection *connection, uint16_t code, const char *reason)
{
    bool waits =
        connection->state == CONNECTION_CLOSING && !connection->close_urgent && !connection->close_out;
    if (connection->state == CONNECTION_OPEN || waits)
        close_with(connection, code, reason, CLOSE_BEHIND_NOTHING);
}

static const char *fault_of(uint16_t code)
{
    switch (code) {
    case 1003:
        return "only text messages";
    case 1007:
        return "not UTF-8";
    case 1009:
        return "message too long";
    default:
        return "protocol error";
    }
}

/* Answers to what came before the end go out first if they can go at once; nothing waits for a peer that
 * blocks. */
static void write_answers(struct connection *connection)
{
    if (connection->state == CONNECTION_OPEN && !connection->blocked)
        connection_write(connection);
}

void connection_fail(struct connection *connection, uint16_t code)
{
    write_answers(connection);
    connection->deaf = true;
    if (connection->state == CONNECTION_OPEN)
        close_with(connection, code, fault_of(code), CLOSE_BEHIND_NOTHING);
    else if (connection_alive(connection) && connection->close_out)
        connection_close_is_out(connection);
}

/* RFC 6455 section 5.5.1: the answer carries the code that came. The peer reads nothing else any more. */
void connection_peer_closed(struct connection *connection, uint16_t code)
{
    write_answers(connection);
    connection->peer_closed = true;
    if (connection->state == CONNECTION_OPEN)
        close_with(connection, code == 0 ? NO_STATUS : code, "", CLOSE_BEHIND_NOTHING);
    else if (connection_alive(connection) && connection->close_out)
        connection_close_is_out(connection);
}

void connection_peer_ended(struct connection *connection)
{
    if (connection->state == CONNECTION_HTTP) {
        http_peer_ended(connection);
        return;
    }
    if (connection->state != CONNECTION_CLOSING || connection->close_out) {
        connection_gone(connection);
        return;
    }
    connection->eof = true;
    connection->peer_closed = true;
    connection_arm(connection);
}

void connection_close_is_out(struct connection *connection)
{
    struct network *network = connection->network;
    connection->close_out = true;
    if (connection->eof || (connection->peer_closed && !connection->deaf)) {
        connection_gone(connection);
    } else if (connection->deaf) {
        connection->state = CONNECTION_LINGER;
        timers_deadline(network->timers, connection, LINGER_MS);
        connection_unqueue(connection);
        if (shutdown(connection->fd, SHUT_WR) != 0)
            connection_gone(connection);
    } else {
        timers_deadline(network->timers, connection, CLOSE_MS);
    }
}

void connection_expired(struct connection *connection)
{
    if (connection->state == CONNECTION_HTTP)
        http_expired(connection);
    else if (connection->state == CONNECTION_OPEN)
        connection_close(connection, 1008, "not authorized in time");
    else
        connection_gone(connection);
}
