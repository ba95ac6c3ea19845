#ifndef WORKER_NET_CONNECTION_PINGS_H
#define WORKER_NET_CONNECTION_PINGS_H

#include "worker/net/connection.h"

/* Pings and pongs of WebSocket, and the message `ping`. */

/** A ping with the number up to which the connection is complete is sent as soon as that is known. */
void connection_ping_is_due(struct connection *connection);

/**
 * Before something goes out that is made of what was there after change @seq, among changes with lower
 * numbers: the client is told by a ping without a number, unless it has been since it last was complete. The
 * ping is appended to @frames, for who puts these in front; NULL: it is queued before all later changes.
 */
void connection_unsettle(struct connection *connection, uint64_t seq, struct buffer *frames);

/** Its time has come. */
void connection_ping(struct connection *connection);

/** A pong has come. */
void connection_ponged(struct connection *connection);

/** Queues the message `ping`. */
void connection_ping_say(struct connection *connection);

/** Whether one is due that may be made now, before the next write. */
bool connection_ping_waits(const struct connection *connection);

/** Makes that. */
void connection_ping_late(struct connection *connection);
void connection_pong_send(struct connection *connection, struct slice payload);

/** After a write: the pong that had no room. */
void connection_pong_late(struct connection *connection);

#endif
