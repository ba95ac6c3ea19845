/* import and export: for dispatchctl, over the control socket only. */

#include <stdlib.h>

#include "shared/base/container_of.h"
#include "shared/base/memory.h"
#include "shared/base/random.h"
#include "shared/store/store_scan.h"
#include "worker/authority/user_sets.h"
#include "worker/base/job.h"
#include "worker/base/snapshot.h"
#include "worker/methods/search.h"
#include "worker/methods/user_answers.h"
#include "worker/rpc/error_texts.h"
#include "worker/rpc/method.h"
#include "worker/rpc/params.h"

enum { EXPORT_BYTES = 256 * 1024 };

/* False: answered. */
static bool add_document(struct transaction *transaction, struct buffer *set, int64_t index,
                         struct json_value document, bool replace)
{
    struct slice id;
    char made[RANDOM_ID_LENGTH + 1];
    struct json_value given = json_member(document, SLICE("_id"));
    bool new_id = json_type(given) == JSON_NONE;
    struct buffer compact = {0};
    buffer_clear(&transaction->worker->scratch);
    if (json_type(document) != JSON_OBJECT) {
        transaction_fail_at(transaction, index, ERROR_INVALID, "documents: expected objects, found %s",
                            json_type_name(json_type(document)));
        return false;
    }
    if (new_id) {
        random_id(made);
        id = slice_of(made, RANDOM_ID_LENGTH);
    } else if (!params_id_at(transaction, index, given, "_id", &transaction->worker->scratch, &id)) {
        return false;
    }
    if (transaction->collection->index == COLLECTION_USERS && !user_name_allowed(transaction, index, id))
        return false;
    json_append_compact(&compact, document);
    struct change change = {
        .operation = replace ? CHANGE_REPLACE : CHANGE_INSERT,
        .flags = (replace ? 0U : CHANGE_SKIP_SAME) | (new_id ? CHANGE_NEW_ID : 0U),
        .version = CHANGE_ANY_VERSION,
        .collection = slice_text(transaction->collection->name),
        .id = id,
        .body = buffer_slice(&compact),
    };
    change_set_add(set, &change);
    buffer_free(&compact);
    return true;
}

static void import_documents(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"documents", "replace"};
    bool replace;
    struct json_value documents = json_member(data, SLICE("documents"));
    if (!params_object(transaction, data, keys) ||
        !params_boolean(transaction, json_member(data, SLICE("replace")), "replace", false, &replace))
        return;
    if (json_type(documents) != JSON_ARRAY) {
        transaction_fail(transaction, ERROR_INVALID, "documents: expected a list");
        return;
    }
    if (replace && transaction->collection->builtin) {
        transaction_fail(transaction, ERROR_FORBIDDEN, "%s are changed only by their own methods",
                         transaction->collection->name);
        return;
    }
    struct buffer set = {0};
    transaction_begin_set(transaction, &set, ANSWER_IMPORT, (struct slice){0});
    struct json_iterator each = json_begin(documents);
    bool good = true;
    for (uint32_t i = 0; good && json_step(&each); i++)
        good = add_document(transaction, &set, i, each.value, replace);
    if (good)
        transaction_commit_list(transaction, &set);
    buffer_free(&set);
}

/* One batch of an export: a walk in the order of ids from where the last one ended. */
struct export
{
    struct job job;
    struct transaction *transaction;
    struct json_query *query;
    struct candidate candidate;
    struct store_scan scan;
    struct buffer documents;
    struct buffer last; /* id of the last document looked at */
    size_t taken;
};

static void export_match(struct export *export, uint64_t most)
{
    struct candidate *candidate = &export->candidate;
    struct work *work = &export->transaction->worker->work;
    enum json_match match = candidate_match(candidate, work, most);
    if (match == JSON_MATCH_MORE)
        return;
    if (match == JSON_MATCH_YES) {
        if (export->taken++)
            buffer_append_byte(&export->documents, ',');
        buffer_append_slice(&export->documents, candidate->record.full);
        work_charge(work, work_bytes(candidate->record.full.length));
    }
    candidate_let_go(candidate);
}

static enum store_step export_next(struct export *export, uint64_t most)
{
    struct worker *worker = export->transaction->worker;
    struct slice id;
    struct store_record record;
    work_charge(&worker->work, WORK_DOCUMENT);
    enum store_step result = store_scan_step(&export->scan, &id, &record);
    if (result != STORE_STEP || (export->last.length && slice_equal(id, buffer_slice(&export->last))))
        return result; /* that one was given before */
    buffer_clear(&export->last);
    buffer_append_slice(&export->last, id);
    candidate_take(&export->candidate, worker, export->transaction->collection->index, id, &record, false);
    export_match(export, most);
    return STORE_STEP;
}

/* As far as a turn goes. */
static enum store_step export_walk(struct export *export)
{
    struct worker *worker = export->transaction->worker;
    const uint64_t most = worker->work.used + WORK_TURN;
    enum store_step result = STORE_STEP;
    work_charge(&worker->work, WORK_LOOKUP);
    store_scan_resume(worker->store, &export->scan);
    while (result == STORE_STEP && export->documents.length < EXPORT_BYTES && worker->work.used < most &&
           (export->candidate.held || candidate_room(worker))) {
        if (!export->candidate.held)
            result = export_next(export, most);
        else
            export_match(export, most);
        if (export->candidate.unreadable)
            result = STORE_FAILED;
    }
    store_scan_pause(&export->scan);
    candidate_pause(&export->candidate);
    return result;
}

static void export_answer(struct export *export, bool end)
{
    struct buffer answer = {0};
    buffer_append_slice(&answer, SLICE("{\"documents\":["));
    buffer_append_slice(&answer, buffer_slice(&export->documents));
    buffer_append_slice(&answer, SLICE("],\"after\":"));
    if (end)
        buffer_append_slice(&answer, SLICE("null"));
    else
        json_append_string(&answer, buffer_slice(&export->last));
    buffer_append_byte(&answer, '}');
    struct transaction *transaction = export->transaction;
    export->transaction = NULL;
    transaction->job = NULL;
    transaction_fulfill(transaction, buffer_slice(&answer), 0);
    buffer_free(&answer);
}

static enum job_state export_step(struct job *job)
{
    struct export *export = CONTAINER_OF(job, struct export, job);
    struct transaction *transaction = export->transaction;
    bool begun = snapshot_take(transaction->worker);
    enum store_step result = begun ? export_walk(export) : STORE_FAILED;
    snapshot_end(transaction->worker);
    if (result == STORE_FAILED) {
        export->transaction = NULL;
        transaction->job = NULL;
        transaction_fail_unreadable(transaction, begun ? transaction->collection : NULL);
        return JOB_DONE;
    }
    if (result == STORE_STEP && export->documents.length < EXPORT_BYTES && transaction->session)
        return JOB_MORE;
    export_answer(export, result == STORE_END);
    return JOB_DONE;
}

static void export_free(struct job *job)
{
    struct export *export = CONTAINER_OF(job, struct export, job);
    if (export->transaction) {
        export->transaction->job = NULL;
        transaction_fail(export->transaction, ERROR_UNAVAILABLE, "%s", text_stopping);
    }
    candidate_free(&export->candidate);
    json_query_free(export->query);
    store_scan_free(&export->scan);
    buffer_free(&export->documents);
    buffer_free(&export->last);
    free(export);
}

static void export_documents(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"query", "after"};
    struct json_value after = json_member(data, SLICE("after"));
    struct slice from = {0};
    struct json_query *query;
    if (!params_object(transaction, data, keys) ||
        (json_type(after) > JSON_NULL &&
         !params_id(transaction, after, "after", &transaction->worker->scratch, &from)) ||
        !search_query(transaction, json_member(data, SLICE("query")), &query))
        return;
    struct export *export = memory_zeroed(1, sizeof *export);
    export->job.step = export_step;
    export->job.free = export_free;
    export->transaction = transaction;
    export->query = query;
    candidate_open(&export->candidate, query);
    store_scan_start(&export->scan, transaction->collection->index, from, (struct slice){0});
    buffer_append_slice(&export->last, from);
    transaction->job = &export->job;
    job_start(transaction->worker->jobs, &export->job);
}

static const struct method methods[] = {
    {"import", ACCESS_CONTROL, import_documents, UNDECLARED},
    {"export", ACCESS_CONTROL, export_documents, UNDECLARED},
};

const struct method_table bulk_methods = {methods, sizeof methods / sizeof *methods};
