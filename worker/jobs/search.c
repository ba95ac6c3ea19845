#include "worker/jobs/search.h"

#include <stdlib.h>

#include "shared/memory.h"
#include "worker/dispatch/ring_intake.h"
#include "worker/rpc/admission.h"
#include "worker/session.h"

/* Work in one step: documents looked at, and bytes parsed. */
enum { STEP_DOCUMENTS = 512, STEP_BYTES = 512 * 1024 };

/* A search that holds so little goes on whatever others hold. */
enum { MEMORY_LITTLE = 64 * 1024 };

/* A candidate that the caller may read. */
static enum search_verdict look_at(struct search *search, struct slice id, const struct store_record *record)
{
    const struct transaction *transaction = search->transaction;
    if ((search->query || search->parse) &&
        !store_record_parse(transaction->worker->store, transaction->collection->index, id, record,
                            &search->document))
        return SEARCH_FAILED;
    if (search->query && !json_query_matches(search->query, json_root(&search->document)))
        return SEARCH_ON;
    return search->each(search, id, record);
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

/* What may not be read costs the same whatever is in it: a look at its tag. */
static enum search_verdict walk(struct search *search)
{
    struct sight sight = {transaction_viewer(search->transaction), search->transaction->collection->index};
    size_t documents = 0, bytes = 0;
    struct slice id;
    struct store_record record;
    store_search_limit(search->walk, sees, &sight);
    while (documents++ < STEP_DOCUMENTS && bytes < STEP_BYTES) {
        switch (store_search_step(search->walk, &id, &record)) {
        case STORE_STEP:
            break;
        case STORE_END:
            return SEARCH_ENOUGH;
        case STORE_FAILED:
            return SEARCH_FAILED;
        }
        if (!sees(&sight, record.tag))
            continue;
        bytes += record.full.length;
        enum search_verdict verdict = look_at(search, id, &record);
        if (verdict != SEARCH_ON)
            return verdict;
    }
    return SEARCH_ON;
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
    store_search_resume(worker->store, search->walk);
    enum search_verdict verdict = walk(search);
    store_search_pause(search->walk);
    return go_on(search, verdict);
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
    json_query_free(search->query);
    json_free(&search->document);
    free(search);
}

struct search *search_create(struct transaction *transaction, struct json_query *query)
{
    struct search *search = memory_zeroed(1, sizeof *search);
    search->transaction = transaction;
    search->query = query;
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
