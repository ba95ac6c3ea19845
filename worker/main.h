#ifndef WORKER_MAIN_H
#define WORKER_MAIN_H

#include "shared/ipc/inheritance.h"
#include "worker/base/worker.h"

/** Opens everything in a zeroed @worker. A store that is set already is used as it is (tests have one to
 * write). */
void worker_open(struct worker *worker, const struct inheritance *inheritance);

/** Closes all sessions and frees everything, the store too. Open calls end without a client. */
void worker_close(struct worker *worker);

/** What a pass of the loop does when the events have been handled. True: there is more to do at once. */
[[gnu::warn_unused_result]] bool worker_pass(struct worker *worker);

#endif
