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

#endif
