#ifndef WORKER_AUTHORITY_THROTTLE_H
#define WORKER_AUTHORITY_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/slice.h"

/*
 * Failed log-ins, counted for each key (a user, an address) over a minute, in a table of fixed size. When it
 * is full the oldest count gives way. Each worker counts for itself.
 */

struct throttle;

struct throttle *throttle_create(uint64_t failures_most);
void throttle_free(struct throttle **throttle);

/** Whether @key has failed too often in this minute. */
bool throttle_closed(const struct throttle *throttle, struct slice key, uint64_t now_ms);

/** One more failure of @key. */
void throttle_failed(struct throttle *throttle, struct slice key, uint64_t now_ms);

#endif
