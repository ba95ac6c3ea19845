#include "worker/rpc/job_turn.h"

#include "worker/base/snapshot.h"
#include "worker/intake/ring_intake.h"

bool job_turn_begin(const struct transaction *transaction, bool holds, enum job_state *state)
{
    struct worker *worker = transaction->worker;
    *state = JOB_BLOCKED;
    if (!holds && !transaction_may_go_on(transaction))
        return false;
    *state = JOB_DONE;
    if (!snapshot_take(worker))
        return false;
    *state = JOB_LATER;
    if (ring_intake_covers_rights(worker))
        return true;
    snapshot_end(worker);
    return false;
}
