#include "worker/jobs/search.h"

#include <stdlib.h>

#include "shared/memory.h"
#include "worker/dispatch/ring_intake.h"
#include "worker/rpc/admission.h"
#include "worker/session.h"

/* What searches that stopped inside a document may keep of them, together: above that those go on first. And
 * what one of them keeps between its steps of the memory for parsing. */
enum { HELD_BYTES = 64 * 1024 * 1024, PARSED_KEPT = 256 * 1024 };

static size_t all_held;

static size_t parsed_bytes(const struct search *search)
{
    return search->document.capacity * sizeof *search->document.nodes;
}

/* The search goes on inside the candidate in a later snapshot: with a copy. */
static void hold(struct search *search, struct slice id, const struct store_record *record)
{
    if (search->inside)
        return;
    buffer_append_slice(&search->text, record->full);
    buffer_append_slice(&search->id, id);
    search->record = *record;
    search->record.tag = search->record.minimal = (struct slice){0};
    search->record.full = buffer_slice(&search->text);
    search->document.text = search->record.full.data;
    search->held_bytes = record->full.length + parsed_bytes(search);
    all_held += search->held_bytes;
    search->inside = true;
    work_charge(&search->transaction->worker->work, work_bytes(record->full.length));
}

static void let_go(struct search *search)
{
    all_held -= search->held_bytes;
    search->held_bytes = 0;
    search->inside = false;
    buffer_free(&search->text);
    buffer_free(&search->id);
}

/* Whether it matches, as far as the search's turn goes; then ->each says what becomes of it. */
static enum search_verdict match(struct search *search, struct slice id, const struct store_record *record,
                                 uint64_t most)
{
    struct work *work = &search->transaction->worker->work;
    enum json_match match = JSON_MATCH_YES;
    if (search->query) {
        uint64_t units = work->used < most ? most - work->used : 1;
        match = json_matching_go_on(search->matching, json_root(&search->document), &units);
        work_charge(work, units);
    }
    enum search_verdict verdict = SEARCH_ON;
    switch (match) {
    case JSON_MATCH_MORE:
        hold(search, id, record);
        return SEARCH_ON;
    case JSON_MATCH_YES:
        verdict = search->each(search, id, record);
        break;
    case JSON_MATCH_NO:
        break;
    }
    let_go(search);
    return verdict;
}

/* A search that holds so little goes on whatever others hold. */
enum { MEMORY_LITTLE = 64 * 1024 };

/* A candidate that the caller may read. */
static enum search_verdict look_at(struct search *search, struct slice id, const struct store_record *record,
                                   uint64_t most)
{
    const struct transaction *transaction = search->transaction;
    struct worker *worker = transaction->worker;
    if (search->query || search->parse) {
        if (!store_record_parse(worker->store, transaction->collection->index, id, record, &search->document))
            return SEARCH_FAILED;
        work_charge(&worker->work, work_parsed(record->full.length, search->document.count));
    }
    if (search->query)
        json_matching_begin(search->matching);
    return match(search, id, record, most);
}

struct sight {
    const struct viewer *viewer; /* NULL: sees nothing */
    unsigned collection;
};

static bool sees(const void *argument, struct slice tag)
{
    const struct sight *sight = argument;
    return sight->viewer && viewer_reads(sight->viewer, sight->collection, tag);
}

/* The next candidate, if one is found within the turn. What may not be read costs the same whatever is in it:
 * a look at its tag. */
static enum search_verdict next_candidate(struct search *search, const struct sight *sight, uint64_t most)
{
    struct work *work = &search->transaction->worker->work;
    struct slice id;
    struct store_record record;
    uint64_t units = most - work->used;
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
    return id.data && sees(sight, record.tag) ? look_at(search, id, &record, most) : SEARCH_ON;
}

static enum search_verdict walk(struct search *search, uint64_t most)
{
    struct sight sight = {transaction_viewer(search->transaction), search->transaction->collection->index};
    const struct work *work = &search->transaction->worker->work;
    enum search_verdict verdict = SEARCH_ON;
    store_search_limit(search->walk, sees, &sight);
    while (verdict == SEARCH_ON && work->used < most && (search->inside || all_held < HELD_BYTES))
        verdict = search->inside ? match(search, buffer_slice(&search->id), &search->record, most)
                                 : next_candidate(search, &sight, most);
    return verdict;
}

/* One turn: through the documents, and then through what ->conclude has to do with them. */
static enum search_verdict take_turn(struct search *search)
{
    struct worker *worker = search->transaction->worker;
    const uint64_t most = worker->work.used + WORK_TURN;
    enum search_verdict verdict = SEARCH_ENOUGH;
    work_charge(&worker->work, WORK_LOOKUP); /* the snapshot, and where the walk stands in it */
    if (!search->walked) {
        store_search_resume(worker->store, search->walk);
        verdict = walk(search, most);
        store_search_pause(search->walk);
        search->walked = verdict == SEARCH_ENOUGH;
    }
    if (!search->inside && parsed_bytes(search) > PARSED_KEPT)
        json_free(&search->document);
    if (search->walked && search->conclude)
        verdict = search->conclude(search, most);
    return verdict;
}

static enum job_state give_up(struct search *search, enum error_code code, const char *message)
{
    struct transaction *transaction = search->transaction;
    search->transaction = NULL;
    transaction_fail(transaction, code, "%s", message);
    return JOB_DONE;
}

/* Counts what the search holds. False: it is much, and there is no room for more. */
static bool has_memory(struct search *search)
{
    size_t bytes = search->memory ? search->memory(search) : 0;
    transaction_hold(search->transaction, bytes);
    return bytes < MEMORY_LITTLE || admission_has_room(search->transaction->worker);
}

static enum job_state go_on(struct search *search, enum search_verdict verdict)
{
    struct transaction *transaction = search->transaction;
    search->transaction = NULL;
    switch (verdict) {
    case SEARCH_ON:
        search->transaction = transaction;
        worker_snapshot_end(transaction->worker);
        return has_memory(search)
                   ? JOB_MORE
                   : give_up(search, ERROR_BUSY, "The calls of all clients hold too much memory; try again");
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

static enum job_state step(struct job *job)
{
    struct search *search = (struct search *)job;
    struct transaction *transaction = search->transaction;
    struct worker *worker = transaction->worker;
    if (!transaction->session) {
        search->transaction = NULL;
        transaction_fulfill(transaction, SLICE("null"), 0);
        return JOB_DONE;
    }
    if (!transaction->session->account) /* what was found so far is not the answer */
        return give_up(search, ERROR_UNAUTHORIZED, "Log in first");
    if (!transaction_may_go_on(transaction))
        return JOB_BLOCKED;
    if (!worker_snapshot(worker))
        return give_up(search, ERROR_INTERNAL, "The store cannot be read now");
    if (!ring_intake_covers_rights(worker)) {
        worker_snapshot_end(worker);
        return JOB_LATER;
    }
    if (search->rights_serial != transaction->session->account->rights_serial) /* nor for these rights */
        return give_up(search, ERROR_UNAVAILABLE, "Your rights have changed meanwhile; try again");
    if (!search->walk)
        search->walk = store_search_start(worker->store, transaction->collection->index, search->query);
    return go_on(search, take_turn(search));
}

static void search_free(struct job *job)
{
    struct search *search = (struct search *)job;
    if (search->transaction) { /* the worker stops */
        search->transaction->job = NULL;
        transaction_fail(search->transaction, ERROR_UNAVAILABLE, "The server is stopping");
    }
    if (search->release)
        search->release(search);
    if (search->walk)
        store_search_free(search->walk);
    let_go(search);
    json_matching_free(search->matching);
    json_query_free(search->query);
    json_free(&search->document);
    free(search);
}

struct search *search_create(struct transaction *transaction, struct json_query *query)
{
    struct search *search = memory_zeroed(1, sizeof *search);
    search->transaction = transaction;
    search->query = query;
    search->matching = query ? json_matching_create(query) : NULL;
    search->job.step = step;
    search->job.free = search_free;
    return search;
}

void search_start(struct search *search)
{
    search->transaction->job = &search->job;
    search->rights_serial = search->transaction->session->account->rights_serial;
    job_start(search->transaction->worker->jobs, &search->job);
}

bool search_query(struct transaction *transaction, struct json_value query, struct json_query **out)
{
    char message[JSON_QUERY_MESSAGE];
    *out = NULL;
    if (json_type(query) == JSON_NONE || json_type(query) == JSON_NULL)
        return true;
    *out = json_query_compile(query, message);
    if (!*out)
        transaction_fail(transaction, ERROR_INVALID, "query: %s", message);
    return *out != NULL;
}
