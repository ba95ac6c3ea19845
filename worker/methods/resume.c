/*
 * resume: what changed since the client stopped, from the change log, folded. Each step has its own snapshot;
 * what it sends goes out exactly between the changes that snapshot knows and the later ones.
 *
 * First the rights that the client has had since it stopped are worked out, also from the log. When it has
 * others now, the documents that it gains and loses by that come in front, as on a connection whose rights
 * change while it is open (rights_change.h): one that was cut off in the middle of that may hold what any of
 * these rights let it, and lack what some of them did not.
 */

#include "worker/methods/resume.h"

#include <stdlib.h>

#include "shared/base/container_of.h"
#include "shared/base/memory.h"
#include "shared/store/change_log.h"
#include "worker/base/snapshot.h"
#include "worker/history/former_rights.h"
#include "worker/history/missed_changes.h"
#include "worker/history/rights_difference.h"
#include "worker/history/sync_batch.h"
#include "worker/rpc/client_position.h"
#include "worker/rpc/error_texts.h"
#include "worker/rpc/job_turn.h"
#include "worker/rpc/params.h"
#include "worker/session/session.h"

/* One step: each entry of the log is looked up, and so is the document it is about. */
enum { ENTRY_WORK = 2 * WORK_LOOKUP, STEP_ENTRIES = WORK_TURN / ENTRY_WORK, STEP_BYTES = 64 * 1024 };

enum resume_phase { READING_RIGHTS, WALKING_RIGHTS, WALKING_LOG };

/* How a step of a phase ended. */
enum resume_outcome { RESUME_ON, RESUME_COMPLETE, RESUME_TOO_OLD, RESUME_UNREADABLE };

struct resume {
    struct job job;
    struct worker *worker;
    struct transaction *transaction;
    struct sync_batch batch;
    struct position position;
    uint64_t seq; /* the log is sent up to here; at first where the client stopped */
    enum resume_phase phase;
    struct former_rights *former;
    uint64_t rights_seq;                 /* the number before the last change that ->former knows */
    struct rights_difference difference; /* ->now is NULL until ->former has been read */
};

static enum job_state resume_give_up(struct resume *resume, enum error_code code, const char *message)
{
    struct transaction *transaction = resume->transaction;
    resume->transaction = NULL;
    transaction->job = NULL;
    transaction_fail(transaction, code, "%s", message);
    return JOB_DONE;
}

static enum job_state resume_finish(struct resume *resume)
{
    struct transaction *transaction = resume->transaction;
    struct session *session = transaction->session;
    struct buffer answer = {0};
    buffer_append_format(&answer, "{\"epoch\":%llu,\"seq\":%llu}",
                         (unsigned long long)store_epoch(resume->worker->store),
                         (unsigned long long)resume->seq);
    resume->transaction = NULL;
    transaction->job = NULL;
    session->position_seq = resume->seq;
    transaction_fulfill(transaction, buffer_slice(&answer), resume->seq);
    session_ping_is_due(session); /* the copy is complete: it may be newer than the answer says */
    buffer_free(&answer);
    return JOB_DONE;
}

static bool add_former(void *argument, const struct rights *rights, uint64_t from, uint64_t to)
{
    struct resume *resume = argument;
    struct former former = {session_viewer(resume->transaction->session, rights), from, to};
    return rights_difference_add(&resume->difference, resume->worker->viewers, former);
}

/* The changes of rights are known: what they come to is worked out, from the start when there are more.
 * False: the list of them is full. */
static bool open_difference(struct resume *resume)
{
    struct viewer_table *viewers = resume->worker->viewers;
    struct viewer *now = resume->transaction->session->connection->output.viewer;
    uint64_t last = former_rights_last(resume->former);
    if (resume->difference.now && last == resume->rights_seq)
        return true;
    rights_difference_close(&resume->difference, viewers);
    rights_difference_open(&resume->difference, viewer_keep(now), resume->seq);
    resume->rights_seq = last;
    /* Pieces of a resume or a sync that was cut off may have been newer than where the client stopped. */
    return rights_difference_add(&resume->difference, viewers,
                                 (struct former){viewer_keep(now), last, UINT64_MAX});
}

static enum resume_outcome outcome_of(enum former_rights_result result)
{
    switch (result) {
    case FORMER_RIGHTS_MORE:
        return RESUME_ON;
    case FORMER_RIGHTS_UNKNOWN:
        return RESUME_TOO_OLD;
    case FORMER_RIGHTS_KNOWN:
        return RESUME_COMPLETE;
    }
    return RESUME_TOO_OLD;
}

/* What the client had seen with rights that it has lost since, and what it has not seen. */
static enum resume_outcome read_rights(struct resume *resume)
{
    struct worker *worker = resume->worker;
    const uint64_t most = worker->work.used + WORK_TURN;
    enum resume_outcome outcome = RESUME_COMPLETE;
    /* Control's rights are in no document, and always the same. */
    if (!resume->transaction->session->login.account->control)
        outcome = outcome_of(former_rights_step(worker, resume->former, STEP_ENTRIES));
    if (outcome == RESUME_COMPLETE && !open_difference(resume))
        outcome = RESUME_TOO_OLD;
    if (outcome == RESUME_COMPLETE)
        outcome = outcome_of(former_rights_undo(worker, resume->former, most, add_former, resume));
    if (outcome == RESUME_COMPLETE)
        resume->phase = WALKING_RIGHTS;
    return outcome;
}

static enum resume_outcome walk_rights(struct resume *resume)
{
    const uint64_t most = resume->worker->work.used + WORK_TURN;
    switch (rights_difference_walk(resume->worker, &resume->difference, most, &resume->batch, STEP_BYTES)) {
    case STORE_STEP:
        return RESUME_ON;
    case STORE_END:
        resume->phase = WALKING_LOG;
        return RESUME_COMPLETE;
    case STORE_FAILED:
        return RESUME_UNREADABLE;
    }
    return RESUME_UNREADABLE;
}

/* False: it concerns the client, and cannot be read. */
static bool add_change(struct resume *resume, const struct missed_change *change)
{
    const struct store_log_entry *entry = &change->entry;
    const struct config *config = resume->transaction->worker->config;
    if (entry->collection >= config->collection_count)
        return true;
    const struct config_collection *collection = &config->collections[entry->collection];
    const struct rights_difference *difference = &resume->difference;
    bool holds = viewer_holds(difference->now, entry->collection, entry->tag_after);
    bool held = change->remove && rights_difference_held(difference, entry->collection, entry->tag_before,
                                                         entry->tag_seq_before, entry->seq);
    if (change->unknown)
        return !holds && !held;
    if (change->update && holds && entry->collection == COLLECTION_SETTINGS) {
        sync_batch_finish(&resume->batch); /* in its place among the others */
        missed_change_append_update(&resume->batch.frames, resume->worker, change);
    } else if (change->update && holds) {
        sync_batch_update(&resume->batch, collection, change->minimal);
    } else if (held && !viewer_holds(difference->now, entry->collection, change->tag_now)) {
        sync_batch_remove(&resume->batch, collection, entry->id);
    }
    return true;
}

/* The next entry that says something, among no more than @*entries. */
static enum resume_outcome walk_entry(struct resume *resume, unsigned *entries)
{
    struct missed_change change;
    unsigned before = *entries;
    enum missed_changes_result result = missed_changes_next(resume->worker, &resume->seq, entries, &change);
    work_charge(&resume->worker->work, (before - *entries) * ENTRY_WORK);
    switch (result) {
    case MISSED_CHANGES_NEXT:
        return add_change(resume, &change) ? RESUME_ON : RESUME_UNREADABLE;
    case MISSED_CHANGES_END:
        return RESUME_COMPLETE;
    case MISSED_CHANGES_UNKNOWN:
        return RESUME_TOO_OLD;
    }
    return RESUME_TOO_OLD;
}

static enum resume_outcome walk_log(struct resume *resume)
{
    unsigned entries = STEP_ENTRIES;
    enum resume_outcome outcome = RESUME_ON;
    while (outcome == RESUME_ON && entries && sync_batch_bytes(&resume->batch) < STEP_BYTES)
        outcome = walk_entry(resume, &entries);
    return outcome;
}

static enum resume_outcome resume_run_phase(struct resume *resume)
{
    switch (resume->phase) {
    case READING_RIGHTS:
        return read_rights(resume);
    case WALKING_RIGHTS:
        return walk_rights(resume);
    case WALKING_LOG:
        return walk_log(resume);
    }
    return RESUME_TOO_OLD;
}

/* Whether what was sent so far was for other rights than the session has now. */
static bool rights_differ(const struct resume *resume)
{
    const struct viewer *now = resume->difference.now;
    return now && now != resume->transaction->session->connection->output.viewer;
}

static enum job_state resume_step(struct job *job)
{
    struct resume *resume = CONTAINER_OF(job, struct resume, job);
    struct transaction *transaction = resume->transaction;
    struct worker *worker = transaction->worker;
    if (!transaction_is_callers(
            transaction)) /* what came so far is not for who is there now, if anybody is */
        return resume_give_up(resume, ERROR_UNAVAILABLE, text_other_login);
    enum job_state state;
    if (!job_turn_begin(transaction, false, &state))
        return state == JOB_DONE ? resume_give_up(resume, ERROR_INTERNAL, text_store_unreadable) : state;
    uint64_t seq = store_seq(worker->store);
    bool holds;
    if (client_position_holds(worker, &resume->position, &holds) != ERROR_NONE) {
        snapshot_end(worker);
        return resume_give_up(resume, ERROR_INTERNAL, text_store_unreadable);
    }
    if (!holds) {
        snapshot_end(worker);
        return resume_give_up(resume, ERROR_RESYNC_REQUIRED,
                              "What you have seen is not part of this store's history; call sync");
    }
    if (rights_differ(resume)) {
        snapshot_end(worker);
        return resume_give_up(resume, ERROR_RESYNC_REQUIRED,
                              "Your rights changed in the meantime; call sync");
    }
    bool last = resume->phase == WALKING_LOG;
    enum resume_outcome outcome = resume_run_phase(resume);
    sync_batch_finish(&resume->batch);
    work_charge(&worker->work, work_bytes(resume->batch.frames.length));
    if (resume->batch.frames.length)
        transaction_send_frames(transaction, buffer_slice(&resume->batch.frames), seq);
    buffer_clear(&resume->batch.frames);
    snapshot_end(worker);
    switch (outcome) {
    case RESUME_ON:
        return JOB_MORE;
    case RESUME_COMPLETE:
        return last ? resume_finish(resume) : JOB_MORE;
    case RESUME_TOO_OLD:
        return resume_give_up(resume, ERROR_RESYNC_REQUIRED,
                              "The change log does not reach back that far; call sync");
    case RESUME_UNREADABLE:
        return resume_give_up(resume, ERROR_INTERNAL, "What has changed cannot be read");
    }
    return JOB_MORE;
}

static void resume_free(struct job *job)
{
    struct resume *resume = CONTAINER_OF(job, struct resume, job);
    if (resume->transaction)
        (void)resume_give_up(resume, ERROR_UNAVAILABLE, text_stopping);
    rights_difference_close(&resume->difference, resume->worker->viewers);
    former_rights_free(&resume->former);
    sync_batch_free(&resume->batch);
    free(resume);
}

void resume(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"epoch", "seq", "unfinished"};
    struct position position;
    if (!params_object(transaction, data, keys) || !client_position_read(transaction, data, &position))
        return;
    if (!position.given) {
        transaction_fail(transaction, ERROR_INVALID, "epoch: expected an integer, found nothing");
        return;
    }
    struct resume *job = memory_zeroed(1, sizeof *job);
    job->job.step = resume_step;
    job->job.free = resume_free;
    job->worker = transaction->worker;
    job->transaction = transaction;
    job->position = position;
    job->seq = position.seq;
    job->former = former_rights_create(transaction_user(transaction), job->seq);
    transaction->job = &job->job;
    job_start(transaction->worker->jobs, &job->job);
}
