#include "worker/larger_documents.h"

#include <stdlib.h>

#include "shared/base/container_of.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/store/larger.h"
#include "worker/base/job.h"
#include "worker/base/snapshot.h"

struct counting {
    struct job job;
    struct worker *worker;
    struct store_larger larger; /* of the collection at hand */
};

static void begin_collection(struct counting *counting, unsigned collection)
{
    store_larger_free(&counting->larger);
    store_larger_start(&counting->larger, collection, counting->worker->config->limits.document_bytes);
}

static void end_collection(const struct counting *counting)
{
    const struct config *config = counting->worker->config;
    const struct store_larger *larger = &counting->larger;
    if (larger->count)
        log_notice(
            "%s: documents larger than limits.document_bytes (%llu): %llu; they can be read and removed, and "
            "changes that make them smaller are taken",
            config->collections[larger->collection].name, (unsigned long long)larger->bytes,
            (unsigned long long)larger->count);
}

static enum job_state counting_step(struct job *job)
{
    struct counting *counting = CONTAINER_OF(job, struct counting, job);
    struct worker *worker = counting->worker;
    uint64_t units = WORK_TURN;
    enum store_step step = STORE_FAILED;
    if (snapshot_take(worker)) {
        step = store_larger_some(worker->store, &counting->larger, &units);
        work_charge(&worker->work, units);
    }
    snapshot_end(worker);
    if (step == STORE_STEP)
        return JOB_MORE;
    end_collection(counting); /* what cannot be read is in the log */
    if (counting->larger.collection + 1 == worker->config->collection_count)
        return JOB_DONE;
    begin_collection(counting, counting->larger.collection + 1);
    return JOB_MORE;
}

static void counting_free(struct job *job)
{
    struct counting *counting = CONTAINER_OF(job, struct counting, job);
    store_larger_free(&counting->larger);
    free(counting);
}

void larger_documents_count(struct worker *worker)
{
    struct counting *counting = memory_zeroed(1, sizeof *counting);
    counting->job.step = counting_step;
    counting->job.free = counting_free;
    counting->worker = worker;
    begin_collection(counting, 0);
    job_start(worker->jobs, &counting->job);
}
