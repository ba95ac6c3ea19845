#ifndef WORKER_AUTHORITY_THROTTLE_H
#define WORKER_AUTHORITY_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/slice.h"
#include "shared/ipc/scoreboard.h"

/*
 * Failed log-ins, counted for each key (a user, an address) over a minute, in a table of fixed size that all
 * workers share. When it is full the oldest count gives way.
 */

/** Whether @key has failed @most times or more in this minute. @now_ms: monotonic. */
bool throttle_closed(const struct login_attempts *attempts, uint64_t most, struct slice key, uint64_t now_ms);

/** One more failure of @key. */
void throttle_failed(struct login_attempts *attempts, struct slice key, uint64_t now_ms);

#endif
