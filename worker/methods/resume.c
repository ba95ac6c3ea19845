/*
 * resume: what changed since the client stopped, from the change log, folded. Each step has its own snapshot;
 * what it sends goes out exactly between the changes that snapshot knows and the later ones.
 */

#include "worker/methods/resume.h"

#include <stdlib.h>

#include "shared/memory.h"
#include "worker/dispatch/log_walk.h"
#include "worker/dispatch/sync_batch.h"
#include "worker/rpc/params.h"
#include "worker/session.h"

enum { STEP_ENTRIES = 4096, STEP_BYTES = 64 * 1024 };

struct resume {
    struct job job;
    struct transaction *transaction;
    struct sync_batch batch;
    int64_t epoch;
    uint64_t seq;
};

static enum job_state give_up(struct resume *resume, enum error_code code, const char *message)
{
    struct transaction *transaction = resume->transaction;
    resume->transaction = NULL;
    transaction->job = NULL;
    transaction_fail(transaction, code, "%s", message);
    return JOB_DONE;
}

static enum job_state finish(struct resume *resume)
{
    struct transaction *transaction = resume->transaction;
    struct buffer answer = {0};
    buffer_append_format(&answer, "{\"epoch\":%lld,\"seq\":%llu}", (long long)resume->epoch,
                         (unsigned long long)resume->seq);
    resume->transaction = NULL;
    transaction->job = NULL;
    transaction_fulfill(transaction, buffer_slice(&answer), resume->seq);
    buffer_free(&answer);
    return JOB_DONE;
}

/* Whether the change touched what this client may see at all: then the log alone cannot tell what it should
 * hold. */
static bool changed_rights(const struct account *account, const struct store_log_entry *entry)
{
    if (entry->collection == COLLECTION_USERS)
        return slice_equal(entry->id, slice_of(account->user, account->user_length));
    if (entry->collection != COLLECTION_GROUPS)
        return false;
    for (size_t i = 0; i < account->group_count; i++)
        if (slice_equal(entry->id, account->groups[i]))
            return true;
    return false;
}

static void add_change(struct resume *resume, const struct viewer *viewer, const struct log_change *change)
{
    const struct store_log_entry *entry = &change->entry;
    const struct config *config = resume->transaction->worker->config;
    if (!viewer || entry->collection >= config->collection_count)
        return;
    const struct config_collection *collection = &config->collections[entry->collection];
    bool holds = viewer_holds(viewer, entry->collection, entry->tag_after);
    if (change->update && holds && entry->collection == COLLECTION_SETTINGS) {
        sync_batch_finish(&resume->batch); /* in its place among the others */
        log_change_append_update(&resume->batch.frames, resume->transaction->worker, change);
    } else if (change->update && holds) {
        sync_batch_update(&resume->batch, collection, change->minimal);
    } else if (change->remove && !holds && viewer_holds(viewer, entry->collection, entry->tag_before)) {
        sync_batch_remove(&resume->batch, collection, entry->id);
    }
}

/* Walks the log in this step's snapshot. */
static enum log_walk_result walk(struct resume *resume, bool *rights)
{
    struct worker *worker = resume->transaction->worker;
    const struct session *session = resume->transaction->session;
    unsigned entries = STEP_ENTRIES;
    enum log_walk_result result = LOG_WALK_CHANGE;
    *rights = false;
    while (result == LOG_WALK_CHANGE && entries && sync_batch_bytes(&resume->batch) < STEP_BYTES) {
        struct log_change change;
        result = log_walk_next(worker, &resume->seq, &entries, &change);
        if (result != LOG_WALK_CHANGE)
            break;
        if (changed_rights(session->account, &change.entry)) {
            *rights = true;
            break;
        }
        add_change(resume, transaction_viewer(resume->transaction), &change);
    }
    return result;
}

static enum job_state step(struct job *job)
{
    struct resume *resume = (struct resume *)job;
    struct transaction *transaction = resume->transaction;
    struct worker *worker = transaction->worker;
    if (!transaction->session || !transaction->session->account)
        return give_up(resume, ERROR_UNAUTHORIZED, "Log in first");
    if (!transaction_may_send(transaction))
        return JOB_BLOCKED;
    if (!worker_snapshot(worker))
        return give_up(resume, ERROR_INTERNAL, "The store cannot be read now");
    uint64_t seq = store_seq(worker->store);
    if ((uint64_t)resume->epoch != store_epoch(worker->store) || resume->seq > seq)
        return give_up(resume, ERROR_RESYNC_REQUIRED,
                       "This is another store than the one you have seen; sync");
    bool rights;
    enum log_walk_result result = walk(resume, &rights);
    sync_batch_finish(&resume->batch);
    if (resume->batch.frames.length)
        transaction_send_frames(transaction, buffer_slice(&resume->batch.frames), seq);
    buffer_clear(&resume->batch.frames);
    worker_snapshot_end(worker);
    if (result == LOG_WALK_TRIMMED)
        return give_up(resume, ERROR_RESYNC_REQUIRED, "The change log does not reach back so far; sync");
    if (rights)
        return give_up(resume, ERROR_RESYNC_REQUIRED, "Your rights have changed since; sync");
    return result == LOG_WALK_END ? finish(resume) : JOB_MORE;
}

static void resume_free(struct job *job)
{
    struct resume *resume = (struct resume *)job;
    if (resume->transaction)
        (void)give_up(resume, ERROR_UNAVAILABLE, "The server is stopping");
    sync_batch_free(&resume->batch);
    free(resume);
}

void resume(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"epoch", "seq"};
    int64_t epoch, seq;
    if (!params_object(transaction, data, keys, 2) ||
        !params_integer(transaction, json_member(data, SLICE("epoch")), "epoch", 0, INT64_MAX, -1, &epoch) ||
        !params_integer(transaction, json_member(data, SLICE("seq")), "seq", 0, INT64_MAX, -1, &seq))
        return;
    if (epoch < 0 || seq < 0) {
        transaction_fail(transaction, ERROR_INVALID, "%s: expected an integer, found nothing",
                         epoch < 0 ? "epoch" : "seq");
        return;
    }
    struct resume *job = memory_zeroed(1, sizeof *job);
    job->job.step = step;
    job->job.free = resume_free;
    job->transaction = transaction;
    job->epoch = epoch;
    job->seq = (uint64_t)seq;
    transaction->job = &job->job;
    job_start(transaction->worker->jobs, &job->job);
}
