#include "worker/base/snapshot.h"

bool snapshot_take(struct worker *worker)
{
    /* What was acknowledged has been published before, so a snapshot as new as the ring has all of it. */
    if (worker->snapshot && store_seq(worker->store) >= ring_last_seq(worker->ring))
        return true;
    snapshot_end(worker);
    worker->snapshot = store_begin(worker->store) == ERROR_NONE;
    worker->snapshot_failed |= !worker->snapshot;
    return worker->snapshot;
}

void snapshot_end(struct worker *worker)
{
    if (worker->snapshot)
        store_end(worker->store);
    worker->snapshot = false;
}
