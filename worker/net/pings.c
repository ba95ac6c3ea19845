#include <stdlib.h>

#include "shared/ipc/frame_header.h"
#include "shared/memory.h"
#include "worker/net/network_internal.h"

/*
 * Pings both ways. The server's, at the times timers.h deals out, find peers that are gone. To the client's
 * each gets its pong, except that a client which does not read has at most limits.pongs waiting: then only
 * the newest is kept beyond them, which RFC 6455 section 5.5.3 allows.
 */

void pings_prepare(struct network *network)
{
    if (network->options.application_pings)
        frame_append(&network->pings, OPCODE_TEXT,
                     SLICE("{\"operation\":\"ping\",\"collectionName\":null,\"data\":null}"));
    frame_control_append(&network->pings, OPCODE_PING, SLICE(""));
}

void connection_ping(struct connection *connection)
{
    if (connection->missed_pongs >= MISSED_PONGS_MOST) {
        connection_gone(connection);
        return;
    }
    if (!connection->paused) /* else the pong is not read */
        connection->missed_pongs++;
    output_urgent(&connection->output, buffer_slice(&connection->network->pings));
    connection_queue(connection);
}

void connection_pong_send(struct connection *connection, struct slice payload)
{
    struct network *network = connection->network;
    struct buffer *out = &network->scratch;
    bool late = connection->pongs_waiting >= network->options.config->limits.pongs;
    if (late) {
        if (!connection->late_pong)
            connection->late_pong = memory_zeroed(1, sizeof *connection->late_pong);
        out = connection->late_pong;
    }
    buffer_clear(out);
    frame_control_append(out, OPCODE_PONG, payload);
    if (late)
        return;
    connection->pongs_waiting++;
    output_urgent(&connection->output, buffer_slice(out));
    connection_queue(connection);
}

void connection_pong_late(struct connection *connection)
{
    if (connection->output.urgent)
        return;
    connection->pongs_waiting = 0;
    if (!connection->late_pong || connection->state != CONNECTION_OPEN)
        return;
    connection->pongs_waiting = 1;
    output_urgent(&connection->output, buffer_slice(connection->late_pong));
    buffer_free(connection->late_pong);
    free(connection->late_pong);
    connection->late_pong = NULL;
    connection_queue(connection);
}
