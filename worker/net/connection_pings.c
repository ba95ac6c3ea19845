#include "worker/net/connection_pings.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/ipc/frame_header.h"
#include "worker/net/connection_close.h"
#include "worker/net/connection_write.h"
#include "worker/net/frame_write.h"
#include "worker/net/network_state.h"

/*
 * Pings both ways. The server's, at the times timers.h deals out, find peers that are gone. To the client's
 * each gets its pong, except that a client which does not read has at most limits.pongs waiting: then only
 * the newest is kept beyond them, which RFC 6455 section 5.5.3 allows.
 *
 * With each ping comes a message `ping`, which says up to which change the connection is complete: a client
 * takes that for the place at which its copy stands. So it is made when the number is true, whatever becomes
 * of what is not out yet: when nothing else is queued (above all not the word that changes were left out),
 * nothing from the change log waits (which may still be dropped), and no change is held (a change of rights
 * has a number of its own, which the copy has not reached). Until then it is due, and there is one at most.
 *
 * What is made of the change log, or of documents as they are now, is in part newer than the numbers beside
 * it say, and leaves out versions that a newer one made good. As long as history goes on that is right; but
 * the store may be put back to a moment in between. So a ping goes before it without a number, and one
 * with a number is due when the connection has come to where all of that is as it should be.
 */

static bool is_complete(const struct connection *connection)
{
    const struct output *output = &connection->output;
    return !output->first && !output->refill && output->hold_seq == OUTPUT_NO_HOLD &&
           output->unfinished == OUTPUT_NOTHING &&
           output_is_settled(output, connection->network->options.backlog);
}

bool connection_ping_waits(const struct connection *connection)
{
    return connection->ping_due && connection->state == CONNECTION_OPEN && !connection->peer_done &&
           is_complete(connection);
}

void connection_ping_say(struct connection *connection)
{
    const struct network *network = connection->network;
    uint64_t seq = output_seq(&connection->output, network->options.backlog);
    char text[160], place[64] = "";
    if (connection->authorized)
        snprintf(place, sizeof place, ",\"seq\":%llu,\"epoch\":%llu", (unsigned long long)seq,
                 (unsigned long long)network->options.epoch);
    int length = snprintf(text, sizeof text,
                          "{\"operation\":\"ping\",\"collectionName\":null,\"data\":null%s}", place);
    connection_send(connection, slice_of(text, (size_t)length), seq);
}

void connection_ping_is_due(struct connection *connection)
{
    if (connection->state != CONNECTION_OPEN || !connection->network->options.application_pings)
        return;
    connection->ping_due = true;
    connection_queue(connection);
}

void connection_unsettle(struct connection *connection, uint64_t seq, struct buffer *frames)
{
    const struct network *network = connection->network;
    struct output *output = &connection->output;
    char text[128];
    /* Nothing may be queued after a close frame, but what is before it may have its ping. */
    bool may = connection->state == CONNECTION_OPEN || (connection->state == CONNECTION_CLOSING && frames);
    if (!may || !connection->authorized || !network->options.application_pings)
        return;
    bool settled = output_is_settled(output, network->options.backlog);
    output_unsettle(output, seq);
    connection_ping_is_due(connection);
    if (!settled)
        return;
    struct buffer frame = {0};
    int length = snprintf(text, sizeof text,
                          "{\"operation\":\"ping\",\"collectionName\":null,\"data\":null,\"seq\":null,"
                          "\"epoch\":%llu}",
                          (unsigned long long)network->options.epoch);
    frame_append(frames ? frames : &frame, OPCODE_TEXT, slice_of(text, (size_t)length));
    if (!frames)
        output_note(output, network->options.backlog, buffer_slice(&frame));
    buffer_free(&frame);
}

void connection_ping_late(struct connection *connection)
{
    if (!connection_ping_waits(connection))
        return;
    connection->ping_due = false;
    connection_ping_say(connection);
}

/* One that comes while the kernel takes no more may be of a ping of long ago, or of none: whether the client
 * reads, the next ping looks at. */
void connection_ponged(struct connection *connection)
{
    if (connection->blocked)
        connection->judged = true;
    else
        connection->missed_pongs = 0;
}

void connection_ping(struct connection *connection)
{
    if ((connection->judged || connection->blocked) && connection_has_taken(connection))
        connection->missed_pongs = 0;
    connection->judged = connection->full;
    /* A tool on this machine may wait for its input, its output or an answer of a person; that it has ended
     * the kernel says. */
    if (connection->kind == CONNECTION_CONTROL)
        connection->missed_pongs = 0;
    if (connection->missed_pongs >= MISSED_PONGS_MOST) {
        connection_gone(connection);
        return;
    }
    connection->missed_pongs++;
    connection->ping_due = connection->network->options.application_pings;
    if (!connection->output.urgent) {
        struct buffer *scratch = &connection->network->scratch;
        buffer_clear(scratch);
        frame_control_append(scratch, OPCODE_PING, SLICE(""));
        output_urgent(&connection->output, buffer_slice(scratch));
        buffer_clear(scratch);
    }
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
    buffer_clear(out); /* nobody may come for long who clears it */
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
