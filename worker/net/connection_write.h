#ifndef WORKER_NET_CONNECTION_WRITE_H
#define WORKER_NET_CONNECTION_WRITE_H

#include "worker/net/connection.h"

/* What is queued on a connection, on its way to the socket. */

/** Whether the client has not left much unread: otherwise its next calls wait. */
bool connection_is_read(const struct connection *connection);

/** Whether what the client has not read of its private queue is little enough to make more of it, and the
 * client has not closed: a job asks before each piece, and when it is told no, waits for drained() (or
 * closed()). */
bool connection_may_send(const struct connection *connection);

/** Puts the connection in the queue of those to write to. */
void connection_queue(struct connection *connection);

/** Takes the connection out of both queues. */
void connection_unqueue(struct connection *connection);

/** Writes once; then queues it, waits for room, or notes that it is up to date. */
void connection_write(struct connection *connection);

/** After whatever may have made it fall behind the backlog or rejoin it: for the scoreboard. */
void connection_count_behind(struct connection *connection);

#endif
