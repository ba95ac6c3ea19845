#ifndef WORKER_STOPPING_H
#define WORKER_STOPPING_H

#include "worker/base/worker.h"
#include "worker/net/connection.h"

/*
 * The orderly stop of a worker: clients are told when to come back (spread, so that they do not come all at
 * once), open calls are answered (what takes too long: `unavailable`), then every connection is closed with
 * 1001; when all are gone, or it takes too long, the loop ends.
 */

void stopping_begin(struct worker *worker);

/** A connection that was opened after the stop began: told when to come back, and closed. */
void stopping_turn_away(struct connection *connection);

/** In every pass of the loop. */
void stopping_step(struct worker *worker);

/** When the loop has ended. */
void stopping_free(struct worker *worker);

#endif
