#ifndef SHARED_IPC_LOGIN_ATTEMPTS_H
#define SHARED_IPC_LOGIN_ATTEMPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/slice.h"

/*
 * Failed log-ins of all workers together, so that more workers do not mean more attempts: counted for each key
 * (a user, an address) over a minute, in a table of fixed size that outlives workers. When it is full the
 * oldest count gives way. It is written without locks: two workers that claim the same place at once may lose
 * a count.
 */

struct login_attempts;

/** Maps a table without counts, shared with all later children. NULL with errno. */
[[gnu::warn_unused_result]] struct login_attempts *login_attempts_create(void);

/** Whether @key has failed @most times or more in this minute. @now_ms: monotonic. */
bool login_attempts_reach(const struct login_attempts *attempts, uint64_t most, struct slice key,
                          uint64_t now_ms);

/** One more failure of @key. */
void login_attempts_add(struct login_attempts *attempts, struct slice key, uint64_t now_ms);

#endif
