#ifndef WORKER_INTAKE_RING_INTAKE_H
#define WORKER_INTAKE_RING_INTAKE_H

#include <stdbool.h>

#include "worker/base/worker.h"

/*
 * Takes new changes out of the ring into the backlog, a bounded number in one step and as many steps in one
 * pass of the loop as there is work left for, and lets the authority know of those that concern rights. When
 * the ring has lapped this worker it reads the change log instead.
 */

/** Begins at what is committed now. */
void ring_intake_start(struct worker *worker);

/** One step. True: there is more to take in. */
[[gnu::warn_unused_result]] bool ring_intake(struct worker *worker);

/** What a pass of the loop does: steps while there is work left for them, at least one. True: there is
 * more. */
[[gnu::warn_unused_result]] bool ring_intake_some(struct worker *worker);

/** Before anything is read that may need what is published now: takes that in, if there is work left for it
 * in this pass. False: there is not, read in the next one. (True also when the store cannot be read now.) */
[[gnu::warn_unused_result]] bool ring_intake_keeps_up(struct worker *worker);

/** Takes in all that is published now, before a call is handled: so no call runs with rights whose withdrawal
 * somebody has been told of. It is what came since the call was read (ring_intake_keeps_up()), so not much.
 * False: the store cannot be read now, so the rights are not known. */
bool ring_intake_published(struct worker *worker);

/** Whether the rights in use are those of the worker's snapshot. If not, what is made of it may be for the
 * eyes of somebody who must not see it any more, or before what the change of rights is still to send:
 * wait for the next pass. */
bool ring_intake_covers_rights(const struct worker *worker);

#endif
