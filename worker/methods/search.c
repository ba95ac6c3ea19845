#include "worker/methods/search.h"

#include <stdlib.h>

#include "shared/base/container_of.h"
#include "shared/base/memory.h"
#include "shared/store/store_search.h"
#include "worker/base/snapshot.h"
#include "worker/rpc/call_admission.h"
#include "worker/rpc/error_texts.h"
#include "worker/rpc/job_turn.h"
#include "worker/session/session.h"

/* What becomes of the candidate, as far as the search's turn goes. */
static enum search_verdict search_use_document(struct search *search)
{
    struct candidate *candidate = &search->candidate;
    enum search_verdict verdict = search->each(search, candidate->id, &candidate->record);
    search->matched = verdict == SEARCH_AGAIN;
    if (verdict == SEARCH_AGAIN) {
        candidate_hold(candidate, &search->transaction->worker->work);
        return SEARCH_ON;
    }
    candidate_let_go(candidate);
    return verdict;
}

/* Whether it matches, and then that. */
static enum search_verdict search_match_document(struct search *search)
{
    struct candidate *candidate = &search->candidate;
    if (search->matched)
        return search_use_document(search);
    switch (candidate_match(candidate, &search->transaction->worker->work, search->most)) {
    case JSON_MATCH_MORE:
        return SEARCH_ON;
    case JSON_MATCH_YES:
        return search_use_document(search);
    case JSON_MATCH_NO:
        break;
    }
    const bool failed = candidate->unreadable;
    candidate_let_go(candidate);
    return failed ? SEARCH_FAILED : SEARCH_ON;
}

/* A search that holds so little goes on whatever others hold. */
enum { MEMORY_LITTLE = 64 * 1024 };

enum { COPIED = 2 }; /* bytes that are written where nothing was count so often */

struct sight {
    const struct viewer *viewer; /* NULL: sees nothing */
    unsigned collection;
};

static bool search_sees(const void *argument, struct slice tag)
{
    const struct sight *sight = argument;
    return sight->viewer && viewer_reads(sight->viewer, sight->collection, tag);
}

/* The next candidate, if one is found within the turn. What may not be read costs the same whatever is in it:
 * a look at its tag. */
static enum search_verdict next_candidate(struct search *search, const struct sight *sight)
{
    struct work *work = &search->transaction->worker->work;
    struct slice id;
    struct store_record record;
    uint64_t units = search->most - work->used;
    enum store_step step = store_search_some(search->walk, &id, &record, &units);
    work_charge(work, units);
    switch (step) {
    case STORE_STEP:
        break;
    case STORE_END:
        return SEARCH_ENOUGH;
    case STORE_FAILED:
        return SEARCH_FAILED;
    }
    if (!id.data || !search_sees(sight, record.tag))
        return SEARCH_ON;
    candidate_take(&search->candidate, search->transaction->worker, sight->collection, id, &record,
                   search->parse);
    return search_match_document(search);
}

static enum search_verdict search_walk_some(struct search *search)
{
    struct sight sight = {transaction_viewer(search->transaction), search->transaction->collection->index};
    const struct worker *worker = search->transaction->worker;
    enum search_verdict verdict = SEARCH_ON;
    store_search_limit(search->walk, search_sees, &sight);
    while (verdict == SEARCH_ON && worker->work.used < search->most &&
           (search->candidate.held || candidate_room(worker)))
        verdict = search->candidate.held ? search_match_document(search) : next_candidate(search, &sight);
    return verdict;
}

/* One turn: through the documents, and then through what ->conclude has to do with them. */
static enum search_verdict take_turn(struct search *search)
{
    struct worker *worker = search->transaction->worker;
    search->most = worker->work.used + WORK_TURN;
    enum search_verdict verdict = SEARCH_ENOUGH;
    work_charge(&worker->work, WORK_LOOKUP); /* the snapshot, and where the walk stands in it */
    if (!search->walked) {
        store_search_resume(worker->store, search->walk);
        verdict = search_walk_some(search);
        store_search_pause(search->walk);
        search->walked = verdict == SEARCH_ENOUGH;
    }
    candidate_pause(&search->candidate);
    if (search->walked && search->conclude)
        verdict = search->conclude(search);
    return verdict;
}

static enum job_state search_give_up(struct search *search, enum error_code code, const char *message)
{
    struct transaction *transaction = search->transaction;
    search->transaction = NULL;
    transaction_fail(transaction, code, "%s", message);
    return JOB_DONE;
}

/* Counts what the search holds. ERROR_BUSY: it is much, and there is no room for more now; ERROR_TOO_LARGE:
 * there never is. */
static enum error_code count_memory(struct search *search)
{
    const struct worker *worker = search->transaction->worker;
    size_t bytes = search->memory ? search->memory(search) : 0;
    transaction_hold(search->transaction, bytes);
    if (bytes >= worker->config->limits.worker_calls_bytes)
        return ERROR_TOO_LARGE;
    return bytes < MEMORY_LITTLE || call_admission_has_room(worker) ? ERROR_NONE : ERROR_BUSY;
}

/* After a step that was not the last one. */
static enum job_state another_step(struct search *search)
{
    enum error_code code = count_memory(search);
    if (code == ERROR_TOO_LARGE)
        return search_give_up(search, code, "The call would hold more memory than limits.worker_calls_bytes");
    if (code == ERROR_BUSY)
        return search_give_up(search, code, "The calls of all clients hold too much memory; try again");
    return JOB_MORE;
}

static enum job_state go_on(struct search *search, enum search_verdict verdict)
{
    struct transaction *transaction = search->transaction;
    search->transaction = NULL;
    switch (verdict) {
    case SEARCH_ON:
    case SEARCH_AGAIN:
        search->transaction = transaction;
        snapshot_end(transaction->worker);
        return another_step(search);
    case SEARCH_ENOUGH:
        transaction->job = NULL;
        search->finish(search, transaction);
        return JOB_DONE;
    case SEARCH_ANSWERED:
        return JOB_DONE;
    case SEARCH_FAILED:
        transaction_fail_unreadable(transaction, transaction->collection);
        return JOB_DONE;
    }
    return JOB_DONE;
}

static enum job_state search_step(struct job *job)
{
    struct search *search = CONTAINER_OF(job, struct search, job);
    struct transaction *transaction = search->transaction;
    struct worker *worker = transaction->worker;
    if (!transaction->session) {
        search->transaction = NULL;
        transaction_fulfill(transaction, SLICE("null"), 0);
        return JOB_DONE;
    }
    if (!transaction->session->login.account) /* what was found so far is not the answer */
        return search_give_up(search, ERROR_UNAUTHORIZED, text_log_in_first);
    /* What it holds of a document others wait for: it goes on until it can let go of that. */
    enum job_state state;
    if (!job_turn_begin(transaction, search->candidate.held, &state))
        return state == JOB_DONE ? search_give_up(search, ERROR_INTERNAL, text_store_unreadable) : state;
    if (search->rights_serial !=
        transaction->session->login.account->rights_serial) /* nor for these rights */
        return search_give_up(search, ERROR_UNAVAILABLE, text_other_rights);
    if (!search->walk) {
        search->walk = store_search_start(worker->store, transaction->collection->index, search->query);
        if (search->started && !search->started(search))
            return go_on(search, SEARCH_ANSWERED);
    }
    return go_on(search, take_turn(search));
}

static void search_free(struct job *job)
{
    struct search *search = CONTAINER_OF(job, struct search, job);
    if (search->transaction) { /* the worker stops */
        search->transaction->job = NULL;
        transaction_fail(search->transaction, ERROR_UNAVAILABLE, "%s", text_stopping);
    }
    if (search->release)
        search->release(search);
    if (search->walk)
        store_search_free(search->walk);
    candidate_free(&search->candidate);
    json_query_free(search->query);
    free(search);
}

struct search *search_create(struct transaction *transaction, struct json_query *query)
{
    struct search *search = memory_zeroed(1, sizeof *search);
    search->transaction = transaction;
    search->query = query;
    candidate_open(&search->candidate, query);
    search->job.step = search_step;
    search->job.free = search_free;
    return search;
}

void search_start(struct search *search)
{
    search->transaction->job = &search->job;
    search->rights_serial = search->transaction->session->login.account->rights_serial;
    job_start(search->transaction->worker->jobs, &search->job);
}

/* What it is to compile a query: its text and its nodes are copied, its values looked through. */
static uint64_t compiled_work(struct json_value query)
{
    uint64_t nodes = query.json->nodes[query.index].next - query.index;
    if (nodes > JSON_QUERY_VALUES) /* refused as it is */
        return WORK_CALL;
    return WORK_CALL + COPIED * work_bytes(json_text(query).length) + nodes / 2;
}

bool search_query(struct transaction *transaction, struct json_value query, struct json_query **out)
{
    char message[JSON_QUERY_MESSAGE];
    *out = NULL;
    if (json_type(query) == JSON_NONE || json_type(query) == JSON_NULL)
        return true;
    *out = json_query_compile(query, message);
    work_charge(&transaction->worker->work, compiled_work(query));
    if (!*out)
        transaction_fail(transaction, ERROR_INVALID, "query: %s", message);
    return *out != NULL;
}
