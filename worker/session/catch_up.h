#ifndef WORKER_SESSION_CATCH_UP_H
#define WORKER_SESSION_CATCH_UP_H

#include "worker/base/worker.h"
#include "worker/net/connection.h"

/*
 * Connections that have fallen behind the worker's backlog are served from the change log: folded, a piece at
 * a time, as fast as they read, until they are back in the backlog; or told to `resync` when the log does not
 * reach back.
 */

/** network_events.refill: the connection has written all it was given and wants more. */
void catch_up_refill(struct worker *worker, struct connection *connection);

#endif
