#ifndef SHARED_IPC_STATUS_H
#define SHARED_IPC_STATUS_H

#include "shared/base/buffer.h"
#include "shared/ipc/scoreboard.h"

/** Appends the status of the whole as a JSON object, from what all processes write into the scoreboard: the
 * answer to "status" on the control socket, and of dispatcher.status. Any process may make it. */
void status_append(struct buffer *out, const struct scoreboard *scoreboard, const struct ring *ring);

#endif
