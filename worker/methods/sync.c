/*
 * sync: one collection by its manifest, or several in one call (dispatcher.sync, whose entry is here too).
 * First a pass that counts, so that the client can show progress; then one that sends. Each step has a
 * snapshot of its own, and what it sends goes out exactly between the changes that snapshot knows and the
 * later ones: so applying everything in order of arrival ends in the server's state. The count is of the
 * moment it was made: changes that commit between the passes can make the number of operations another by as
 * many.
 */

#include "worker/methods/sync.h"

#include <stdlib.h>

#include "shared/base/container_of.h"
#include "shared/base/memory.h"
#include "worker/base/snapshot.h"
#include "worker/methods/manifest_difference.h"
#include "worker/rpc/client_position.h"
#include "worker/rpc/error_texts.h"
#include "worker/rpc/job_turn.h"
#include "worker/rpc/message.h"
#include "worker/rpc/params.h"
#include "worker/session/rights_change.h"
#include "worker/session/session.h"

/* Bytes sent in one step; what is compared is a turn's work. */
enum { STEP_BYTES = 64 * 1024 };

struct sync {
    struct job job;
    struct transaction *transaction;
    struct position position;
    bool same_history; /* ->position holds; from the first step on */
    bool judged;
    struct manifest *manifests;
    uint64_t *counts;
    size_t manifest_count;
    struct message_kept message; /* while manifests are read out of it */
    size_t reading;              /* the manifest being read */
    size_t at;                   /* manifest being compared */
    struct manifest_difference walk;
    struct sync_batch batch;
    bool walking; /* ->walk is started */
    bool sending; /* the second pass */
    bool named;   /* dispatcher.sync: the count is {name: count} */
};

static void send_counts(struct sync *sync, uint64_t seq)
{
    struct buffer data = {0};
    if (!sync->named) {
        buffer_append_unsigned(&data, sync->counts[0]);
    } else {
        buffer_append_byte(&data, '{');
        for (size_t i = 0; i < sync->manifest_count; i++) {
            if (i)
                buffer_append_byte(&data, ',');
            json_append_string(&data, slice_text(sync->manifests[i].collection->name));
            buffer_append_byte(&data, ':');
            buffer_append_unsigned(&data, sync->counts[i]);
        }
        buffer_append_byte(&data, '}');
    }
    transaction_update(sync->transaction, buffer_slice(&data), seq);
    buffer_free(&data);
}

/* Collections in which the first pass found nothing to do are not walked again. */
static bool skip_manifest(const struct sync *sync)
{
    return sync->sending && sync->counts[sync->at] == 0;
}

static void next_manifest(struct sync *sync)
{
    if (sync->walking) {
        if (!sync->sending)
            sync->counts[sync->at] = sync->walk.count;
        manifest_difference_free(&sync->walk);
        sync->walking = false;
    }
    sync->at++;
}

static void sync_send_batch(struct sync *sync, uint64_t seq)
{
    sync_batch_finish(&sync->batch);
    if (sync->batch.frames.length)
        transaction_send_frames(sync->transaction, buffer_slice(&sync->batch.frames), seq);
    buffer_clear(&sync->batch.frames);
}

/* One pass over the manifests, as far as this step goes. STORE_END: the pass is complete. */
static enum store_step walk_manifests(struct worker *worker, struct sync *sync, const struct viewer *viewer)
{
    const uint64_t most = worker->work.used + WORK_TURN;
    while (sync->at < sync->manifest_count) {
        enum store_step result = STORE_END;
        if (!skip_manifest(sync)) {
            if (!manifest_sort(&sync->manifests[sync->at], &worker->work, most))
                return STORE_STEP;
            if (!sync->walking)
                manifest_difference_start(&sync->walk, &sync->manifests[sync->at], sync->same_history);
            sync->walking = true;
            result = manifest_difference_step(worker, &sync->walk, viewer, most,
                                              sync->sending ? &sync->batch : NULL, STEP_BYTES);
        }
        if (result != STORE_END)
            return result;
        next_manifest(sync);
    }
    return STORE_END;
}

static enum job_state sync_finish(struct sync *sync, uint64_t epoch, uint64_t seq)
{
    struct transaction *transaction = sync->transaction;
    struct session *session = transaction->session;
    struct buffer answer = {0};
    buffer_append_format(&answer, "{\"epoch\":%llu,\"seq\":%llu}", (unsigned long long)epoch,
                         (unsigned long long)seq);
    sync->transaction = NULL;
    transaction->job = NULL;
    session->position_seq = seq;
    transaction_fulfill(transaction, buffer_slice(&answer), seq);
    session_ping_is_due(session); /* the copy is complete: it may be newer than the answer says */
    buffer_free(&answer);
    return JOB_DONE;
}

static enum job_state sync_give_up(struct sync *sync, enum error_code code, const char *message)
{
    struct transaction *transaction = sync->transaction;
    sync->transaction = NULL;
    transaction->job = NULL;
    transaction_fail(transaction, code, "%s", message);
    return JOB_DONE;
}

static size_t memory_of(const struct sync *sync)
{
    size_t bytes = message_kept_bytes(&sync->message);
    for (size_t i = 0; i < sync->manifest_count; i++)
        bytes += manifest_bytes(&sync->manifests[i]);
    return bytes;
}

static enum manifest_read read_manifest(struct sync *sync, struct manifest *manifest, uint64_t most)
{
    enum manifest_read result = manifest_read_some(sync->transaction, manifest, most);
    if (result != MANIFEST_READ || manifest_in_range(manifest))
        return result;
    transaction_fail(sync->transaction, ERROR_INVALID,
                     "manifest: expected only ids from `from` to before `to`");
    return MANIFEST_REFUSED;
}

/* Reads manifests, until so many units of work have been used in all; MANIFEST_READ: that was the last. */
static enum manifest_read read_manifests(struct sync *sync, uint64_t most)
{
    enum manifest_read result = MANIFEST_READ;
    while (sync->reading < sync->manifest_count && result == MANIFEST_READ) {
        result = read_manifest(sync, &sync->manifests[sync->reading], most);
        sync->reading += result == MANIFEST_READ;
    }
    if (result == MANIFEST_READ)
        message_kept_free(&sync->message);
    if (result != MANIFEST_REFUSED)
        transaction_hold(sync->transaction, memory_of(sync));
    return result;
}

/* Whether the manifests are of this store's history. False: that cannot be read. */
static bool sync_judge(struct worker *worker, struct sync *sync)
{
    if (!sync->judged && client_position_holds(worker, &sync->position, &sync->same_history) != ERROR_NONE)
        return false;
    sync->judged = true;
    return true;
}

static enum job_state sync_step(struct job *job)
{
    struct sync *sync = CONTAINER_OF(job, struct sync, job);
    struct transaction *transaction = sync->transaction;
    struct worker *worker = transaction->worker;
    if (!transaction_is_callers(
            transaction)) /* what came so far is not for who is there now, if anybody is */
        return sync_give_up(sync, ERROR_UNAVAILABLE, text_other_login);
    if (!transaction_may_go_on(transaction))
        return JOB_BLOCKED;
    if (sync->reading < sync->manifest_count) {
        if (read_manifests(sync, worker->work.used + WORK_TURN) != MANIFEST_REFUSED)
            return JOB_MORE;
        sync->transaction = NULL;
        return JOB_DONE;
    }
    enum job_state state;
    if (!job_turn_begin(transaction, false, &state))
        return state == JOB_DONE ? sync_give_up(sync, ERROR_INTERNAL, text_store_unreadable) : state;
    if (!sync_judge(worker, sync)) {
        snapshot_end(worker);
        return sync_give_up(sync, ERROR_INTERNAL, text_store_unreadable);
    }
    enum store_step result = walk_manifests(worker, sync, transaction_viewer(transaction));
    uint64_t epoch = store_epoch(worker->store), seq = store_seq(worker->store);
    if (sync->sending && result != STORE_FAILED)
        sync_send_batch(sync, seq);
    snapshot_end(worker);
    if (result == STORE_FAILED) {
        sync->transaction = NULL;
        transaction_fail_unreadable(transaction, sync->manifests[sync->at].collection);
        return JOB_DONE;
    }
    if (result == STORE_STEP)
        return JOB_MORE;
    if (sync->sending)
        return sync_finish(sync, epoch, seq);
    send_counts(sync, seq);
    sync->sending = true;
    sync->at = 0;
    return JOB_MORE;
}

static void sync_free(struct job *job)
{
    struct sync *sync = CONTAINER_OF(job, struct sync, job);
    if (sync->transaction)
        (void)sync_give_up(sync, ERROR_UNAVAILABLE, text_stopping);
    if (sync->walking)
        manifest_difference_free(&sync->walk);
    sync_batch_free(&sync->batch);
    for (size_t i = 0; i < sync->manifest_count; i++)
        manifest_free(&sync->manifests[i]);
    message_kept_free(&sync->message);
    free(sync->manifests);
    free(sync->counts);
    free(sync);
}

static struct sync *sync_create(struct transaction *transaction, size_t manifests)
{
    struct sync *sync = memory_zeroed(1, sizeof *sync);
    sync->job.step = sync_step;
    sync->job.free = sync_free;
    sync->transaction = transaction;
    sync->manifests = memory_zeroed(manifests, sizeof *sync->manifests);
    sync->counts = memory_zeroed(manifests, sizeof *sync->counts);
    sync->manifest_count = manifests;
    return sync;
}

/* The call has been answered by whoever said that something was wrong. */
static void sync_abandon(struct sync *sync)
{
    sync->transaction = NULL;
    sync_free(&sync->job);
}

/* A large message is kept, and read in steps; a small one is read now. */
static void sync_start_walk(struct sync *sync)
{
    struct worker *worker = sync->transaction->worker;
    if (message_keep(worker, &sync->message)) {
        for (size_t i = 0; i < sync->manifest_count; i++)
            sync->manifests[i].each.value.json = &sync->message.json;
    } else if (read_manifests(sync, UINT64_MAX) == MANIFEST_REFUSED) {
        sync_abandon(sync);
        return;
    }
    transaction_hold(sync->transaction, memory_of(sync));
    sync->transaction->job = &sync->job;
    job_start(worker->jobs, &sync->job);
}

/* Data with a `manifest` that is an object is the long form; ids may be called "manifest", but versions are
 * numbers. */
static bool is_long_form(struct json_value data)
{
    return json_type(json_member(data, SLICE("manifest"))) == JSON_OBJECT;
}

/*
 * Without the changes that commit meanwhile a sync ends in no state the server has had. (And a client that
 * has narrowed its subscription would be told to remove all that it left out.) False: answered.
 */
static bool is_subscribed(struct transaction *transaction, const struct config_collection *collection)
{
    const struct session *session = transaction->session;
    if (!session->subscribed || session->subscribed[collection->index])
        return true;
    transaction_fail(transaction, ERROR_INVALID, "You are not subscribed to %s; subscribe before you sync",
                     collection->name);
    return false;
}

static void sync_collection(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"manifest", "from", "to", "epoch", "seq", "unfinished"};
    if (!is_subscribed(transaction, transaction->collection))
        return;
    struct sync *sync = sync_create(transaction, 1);
    struct manifest *manifest = &sync->manifests[0];
    struct json_value entries = data;
    manifest->collection = transaction->collection;
    if (is_long_form(data)) {
        if (!params_object(transaction, data, keys) ||
            !client_position_read(transaction, data, &sync->position) ||
            !manifest_read_range(transaction, json_member(data, SLICE("from")),
                                 json_member(data, SLICE("to")), manifest)) {
            sync_abandon(sync);
            return;
        }
        entries = json_member(data, SLICE("manifest"));
    }
    if (!manifest_read(transaction, entries, manifest)) {
        sync_abandon(sync);
        return;
    }
    sync_start_walk(sync);
}

/* False: answered. Rights are as for the collection's own sync. */
static bool read_named(struct transaction *transaction, const struct json_iterator *each,
                       struct manifest *manifest)
{
    struct buffer scratch = {0};
    struct slice name = json_string(each->key, &scratch);
    const struct config *config = transaction->worker->config;
    const struct config_collection *collection = config_collection(config, name);
    const struct account *account = transaction->session->login.account;
    bool good = false;
    if (!collection || collection->internal || !collection->methods[METHOD_SYNC].exposed)
        transaction_fail(transaction, ERROR_UNKNOWN_COLLECTION, "There is no collection %.*s to sync",
                         (int)name.length, name.data);
    else if (!permission_covers(&account->rights.permissions, &collection->sight)) {
        rights_change_refused(transaction->session);
        transaction_fail(transaction, ERROR_FORBIDDEN, "You may not sync %s", collection->name);
    } else {
        good = is_subscribed(transaction, collection);
    }
    buffer_free(&scratch);
    manifest->collection = collection;
    return good && manifest_read(transaction, each->value, manifest);
}

void sync_several(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"manifests", "epoch", "seq", "unfinished"};
    struct json_value manifests = json_member(data, SLICE("manifests"));
    struct position position;
    if (!params_object(transaction, data, keys) || !client_position_read(transaction, data, &position))
        return;
    if (json_type(manifests) != JSON_OBJECT) {
        transaction_fail(transaction, ERROR_INVALID,
                         "manifests: expected {collection: manifest, ...}, found %s",
                         json_type_name(json_type(manifests)));
        return;
    }
    struct sync *sync = sync_create(transaction, json_count(manifests));
    sync->named = true;
    sync->position = position;
    struct json_iterator each = json_begin(manifests);
    for (size_t i = 0; json_step(&each); i++)
        if (!read_named(transaction, &each, &sync->manifests[i])) {
            sync_abandon(sync);
            return;
        }
    sync_start_walk(sync);
}

static const struct method methods[] = {
    {"sync", ACCESS_LASTING, sync_collection, METHOD_SYNC},
};

const struct method_table sync_methods = {methods, sizeof methods / sizeof *methods};
