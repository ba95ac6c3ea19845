#ifndef WORKER_MAIN_H
#define WORKER_MAIN_H

#include "shared/ipc/inheritance.h"
#include "worker/base/worker.h"

/** Opens everything in a @worker that is zeroed but for its ->store, which is open and stays the caller's. */
void worker_open(struct worker *worker, const struct inheritance *inheritance);

/** Closes all sessions and frees everything but the store. Open calls end without a client. */
void worker_close(struct worker *worker);

/** What a pass of the loop does when the events have been handled. True: there is more to do at once. */
[[gnu::warn_unused_result]] bool worker_pass(struct worker *worker);

#endif
