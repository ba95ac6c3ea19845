#ifndef WORKER_NET_CONNECTION_HOLD_H
#define WORKER_NET_CONNECTION_HOLD_H

#include "worker/net/connection.h"

/* Messages that have come and are not taken up yet. */

/** Gives no messages, or goes on with that (back-pressure on calls). Meanwhile what comes is read up to
 * limits.read_ahead_bytes and kept, of all connections together up to a quarter of limits.worker_calls_bytes;
 * beyond that the connection is not read, and when it stands so for 10 s what is
 * kept is given to refused(). */
void connection_hold(struct connection *connection, bool hold);

/** Gives what waits to refused(), before the connection is closed: nobody will take it. */
void connection_refuse_waiting(struct connection *connection);

/** Once a second: refuses what has stood for too long. */
void connection_hold_refuse_standing(struct network *network);

/** Whether it is not read because of what waits in ->ahead. Keeps ->full. */
bool connection_is_full(struct connection *connection);

/** Whether what waits of all connections is as much as may: then those whose calls wait are read only while
 * none of theirs does, and all of them little at once. */
bool connection_hold_is_much(const struct network *network);

/** Reads again those that were not because of that, when it is not so much any more. */
void connection_hold_read_on(struct network *network);

/** A message has come: it is given, or waits. */
void connection_take_message(struct connection *connection, struct slice message, bool binary);

/** Gives what waits, as long as the owner takes it. */
void connection_give_ahead(struct connection *connection);

/** Nobody will take what waits. */
void connection_forget_ahead(struct connection *connection);

#endif
