#ifndef DAEMON_MASTER_HANDOVER_H
#define DAEMON_MASTER_HANDOVER_H

#include <stdbool.h>

#include "daemon/master/listener.h"
#include "shared/ipc/inheritance.h"

struct event_base;
struct supervisor;

/* Accepts connections in batches and hands each to the worker that has the fewest. */

struct handover;

/** Everything is kept by reference. Nothing is accepted before handover_start(). */
[[gnu::warn_unused_result]] struct handover *handover_create(struct event_base *base,
                                                             const struct inheritance *common,
                                                             const struct supervisor *supervisor,
                                                             struct listeners *listeners);

/** Begins to accept; the listeners listen already. */
void handover_start(struct handover *handover);

/** A worker became ready, died, or took what waited for it: accepting goes on where it had to pause. */
void handover_resume(struct handover *handover);

/** Hands over a connection of the control socket. False: no worker can take it; @fd remains the caller's. */
[[gnu::warn_unused_result]] bool handover_control(struct handover *handover, int fd);

/** Stops accepting, for good. */
void handover_stop(struct handover *handover);

void handover_free(struct handover **handover);

#endif
