#ifndef WORKER_RPC_OPEN_CALLS_H
#define WORKER_RPC_OPEN_CALLS_H

#include "worker/session/session.h"

/* What becomes of the open calls of a session when something happens to its connection, or to the worker. */

/** The client has gone. They go on without it: what they answer goes nowhere. */
void open_calls_leave(struct session *session);

/** The worker stops: every one is answered with `timeout`. They go on, and may still change something; what
 * they come to goes nowhere. */
void open_calls_abandon(struct session *session);

/** Whether one of them will still send something to a client that has closed its side. */
bool open_calls_owe(const struct session *session);

/** The client has read what was sent: jobs go on, further calls may be taken up. */
void open_calls_drained(struct session *session);

#endif
