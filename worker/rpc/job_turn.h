#ifndef WORKER_RPC_JOB_TURN_H
#define WORKER_RPC_JOB_TURN_H

#include "worker/base/job.h"
#include "worker/rpc/transaction.h"

/**
 * Begins a step of a call's job that reads the store for its client: the client reads what it gets (not asked
 * when the job @holds what others wait for), and the snapshot that is taken here is one whose rights are those
 * in use. False: it cannot begin now, and the step returns *@state; JOB_DONE says that the store cannot be
 * read, which the call is still to be answered.
 */
[[gnu::warn_unused_result]] bool job_turn_begin(const struct transaction *transaction, bool holds,
                                                enum job_state *state);

#endif
