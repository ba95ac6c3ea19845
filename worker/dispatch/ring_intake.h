#ifndef WORKER_DISPATCH_RING_INTAKE_H
#define WORKER_DISPATCH_RING_INTAKE_H

#include <stdbool.h>

#include "worker/worker.h"

/*
 * Takes new changes out of the ring into the backlog, a bounded number in one pass, and lets the authority
 * know of those that concern rights. When the ring has lapped this worker it reads the change log instead.
 */

/** Begins at what is committed now. */
void ring_intake_start(struct worker *worker);

/** True: there is more to take in. */
[[gnu::warn_unused_result]] bool ring_intake(struct worker *worker);

/** Takes in all that is published now, before a call is handled: so no call runs with rights whose withdrawal
 * somebody has been told of. False: the store cannot be read now, so the rights are not known. */
bool ring_intake_published(struct worker *worker);

/** Whether the rights in use are those of the worker's snapshot. If not, what is made of it may be for the
 * eyes of somebody who must not see it any more, or in front of what the change of rights is still to send:
 * wait for the next pass. */
bool ring_intake_covers_rights(const struct worker *worker);

#endif
