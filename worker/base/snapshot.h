#ifndef WORKER_BASE_SNAPSHOT_H
#define WORKER_BASE_SNAPSHOT_H

#include "worker/base/worker.h"

/**
 * A snapshot of the store that is at least as new as everything acknowledged before the bytes now being
 * handled were received. It is kept for all messages of one read and ended by snapshot_end(). False: the
 * store failed.
 */
[[gnu::warn_unused_result]] bool snapshot_take(struct worker *worker);
void snapshot_end(struct worker *worker);

#endif
