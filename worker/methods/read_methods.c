/*
 * detail, find, count: reading. None of them changes anything, so none needs the committer; each document is
 * shown only to those who may read it.
 */

#include <stdlib.h>

#include "shared/base/container_of.h"
#include "shared/base/memory.h"
#include "shared/json/compare.h"
#include "worker/base/snapshot.h"
#include "worker/intake/ring_intake.h"
#include "worker/methods/find_sort.h"
#include "worker/methods/projection.h"
#include "worker/methods/search.h"
#include "worker/rpc/method.h"
#include "worker/rpc/params.h"
#include "worker/rpc/texts.h"
#include "worker/session/session.h"

enum { FIND_LIMIT = 1000, FIND_SKIP = 1000000 };

/* False: the rights in use are not those of the snapshot; not answered. */
static bool answer_detail(struct transaction *transaction, struct slice id)
{
    struct worker *worker = transaction->worker;
    if (!snapshot_take(worker)) {
        transaction_fail(transaction, ERROR_INTERNAL, "%s", text_store_unreadable);
        return true;
    }
    if (!ring_intake_covers_rights(worker))
        return false;
    struct store_record record;
    enum error_code code = store_get(worker->store, transaction->collection->index, id, &record);
    const struct viewer *viewer = transaction_viewer(transaction);
    if (code == ERROR_NONE && !(viewer && viewer_reads(viewer, transaction->collection->index, record.tag)))
        code = ERROR_NOT_FOUND; /* what may not be read is not there */
    work_charge(&worker->work, WORK_LOOKUP);
    if (code == ERROR_NONE)
        transaction_fulfill(transaction, record.full, 0);
    else
        transaction_fail(transaction, code,
                         code == ERROR_NOT_FOUND ? "There is no document %.*s in %s"
                                                 : "Document %.*s of %s cannot be read",
                         (int)id.length, id.data, transaction->collection->name);
    return true;
}

/* A detail that waits for its rights. */
struct waiting_detail {
    struct job job;
    struct transaction *transaction; /* NULL once answered */
    uint64_t rights_serial;
    struct buffer id;
};

static enum job_state detail_step(struct job *job)
{
    struct waiting_detail *detail = CONTAINER_OF(job, struct waiting_detail, job);
    struct transaction *transaction = detail->transaction;
    transaction->job = NULL;
    detail->transaction = NULL;
    const struct account *account = transaction->session ? transaction->session->login.account : NULL;
    if (transaction->session && !account)
        transaction_fail(transaction, ERROR_UNAUTHORIZED, "%s", text_log_in_first);
    else if (account && account->rights_serial != detail->rights_serial)
        transaction_fail(transaction, ERROR_UNAVAILABLE, "%s", text_other_rights);
    else if (!answer_detail(transaction, buffer_slice(&detail->id))) {
        snapshot_end(transaction->worker);
        transaction->job = job;
        detail->transaction = transaction;
        return JOB_LATER;
    }
    return JOB_DONE;
}

static void detail_free(struct job *job)
{
    struct waiting_detail *detail = CONTAINER_OF(job, struct waiting_detail, job);
    if (detail->transaction) { /* the worker stops */
        detail->transaction->job = NULL;
        transaction_fail(detail->transaction, ERROR_UNAVAILABLE, "%s", text_stopping);
    }
    buffer_free(&detail->id);
    free(detail);
}

static void detail_document(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"_id"};
    struct worker *worker = transaction->worker;
    struct slice id;
    if (!params_object(transaction, data, keys) ||
        !params_id(transaction, json_member(data, SLICE("_id")), "_id", &worker->scratch, &id) ||
        answer_detail(transaction, id))
        return;
    struct waiting_detail *detail = memory_zeroed(1, sizeof *detail);
    detail->job.step = detail_step;
    detail->job.free = detail_free;
    detail->transaction = transaction;
    detail->rights_serial = transaction->session->login.account->rights_serial;
    buffer_append_slice(&detail->id, id);
    transaction->job = &detail->job;
    job_start(worker->jobs, &detail->job);
}

static enum search_verdict count_each(struct search *search, struct slice id,
                                      const struct store_record *record)
{
    (void)id, (void)record;
    ++*(uint64_t *)search->own;
    return SEARCH_ON;
}

static void count_finish(struct search *search, struct transaction *transaction)
{
    struct buffer number = {0};
    buffer_append_unsigned(&number, *(uint64_t *)search->own);
    transaction_fulfill(transaction, buffer_slice(&number), 0);
    buffer_free(&number);
}

static void free_own(struct search *search)
{
    free(search->own);
}

static void count_documents(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"query"};
    struct json_query *query = NULL;
    bool given = json_type(data) > JSON_NULL;
    if (given && (!params_object(transaction, data, keys) ||
                  !search_query(transaction, json_member(data, SLICE("query")), &query)))
        return;
    struct search *search = search_create(transaction, query);
    search->own = memory_zeroed(1, sizeof(uint64_t));
    search->each = count_each;
    search->finish = count_finish;
    search->release = free_own;
    search_start(search);
}

/* One find: either documents are gathered as they come, or, with sort, the best of them are kept in order. */
struct find {
    struct projection projection;
    struct find_sort *sort;       /* NULL: in the order of the walk */
    struct json parsed;           /* of those that were sorted: the one being put into the answer */
    struct json_parsing *parsing; /* while that goes on */
    int64_t skip, limit;
    int64_t skipped, taken;
    uint64_t bytes_most;
    struct buffer documents; /* JSON, with commas */
    bool more;
};

static enum search_verdict find_take(struct find *find, struct work *work, struct json_value document,
                                     struct slice full)
{
    if (find->skipped < find->skip) {
        find->skipped++;
        return SEARCH_ON;
    }
    bool fits = find->taken == 0 || find->documents.length + full.length <= find->bytes_most;
    if (find->taken == find->limit || !fits) {
        find->more = true;
        return SEARCH_ENOUGH;
    }
    if (find->taken++)
        buffer_append_byte(&find->documents, ',');
    work_charge(work, projection_append(&find->documents, &find->projection, document, full));
    return SEARCH_ON;
}

static enum search_verdict find_each(struct search *search, struct slice id,
                                     const struct store_record *record)
{
    struct find *find = search->own;
    struct json_value document =
        search->parse ? json_root(&search->candidate.document) : (struct json_value){0};
    if (!find->sort)
        return find_take(find, &search->transaction->worker->work, document, record->full);
    find_sort_add(find->sort, id, document, record->full);
    return SEARCH_ON;
}

/* The one that was sorted and is being parsed, as far as the turn goes. */
static enum search_verdict take_parsed(struct find *find, struct work *work, uint64_t most)
{
    uint64_t units = most - work->used;
    enum json_parsed parsed = json_parsing_go_on(find->parsing, &units);
    work_charge(work, units);
    if (parsed == JSON_PARSED_MORE)
        return SEARCH_ON;
    json_parsing_free(&find->parsing);
    if (parsed == JSON_PARSED_NOT)
        return SEARCH_FAILED; /* cannot be: it was parsed before */
    return find_take(find, work, json_root(&find->parsed), slice_of(find->parsed.text, find->parsed.length));
}

/* The next of those that were sorted. */
static enum search_verdict take_sorted(struct find *find, struct work *work)
{
    struct slice full;
    work_charge(work, WORK_NODE);
    if (!find_sort_next(find->sort, &full))
        return SEARCH_ENOUGH;
    if (!find->projection.count || find->skipped < find->skip || find->taken == find->limit)
        return find_take(find, work, (struct json_value){0}, full);
    find->parsing = json_parsing_create(&find->parsed, full, true);
    return SEARCH_ON;
}

static enum search_verdict find_conclude(struct search *search, uint64_t most)
{
    struct find *find = search->own;
    struct work *work = &search->transaction->worker->work;
    enum search_verdict verdict = SEARCH_ON;
    if (!find->sort)
        return SEARCH_ENOUGH;
    if (work->used >= most || !find_sort_finish(find->sort, most - work->used))
        return SEARCH_ON;
    while (verdict == SEARCH_ON && work->used < most)
        verdict = find->parsing ? take_parsed(find, work, most) : take_sorted(find, work);
    return verdict;
}

static void find_finish(struct search *search, struct transaction *transaction)
{
    struct find *find = search->own;
    if (find->sort) {
        find->more |= find_sort_cut(find->sort);
        if (find->more && !find->taken && find->limit) {
            transaction_fail(transaction, ERROR_TOO_LARGE,
                             "The documents that `skip` leaves out are too large to sort; ask for fewer");
            return;
        }
    }
    struct buffer answer = {0};
    buffer_append_slice(&answer, SLICE("{\"documents\":["));
    buffer_append_slice(&answer, buffer_slice(&find->documents));
    buffer_append_text(&answer, find->more ? "],\"more\":true}" : "],\"more\":false}");
    transaction_fulfill(transaction, buffer_slice(&answer), 0);
    buffer_free(&answer);
}

static size_t find_memory(const struct search *search)
{
    const struct find *find = search->own;
    return find->documents.length + (find->sort ? find_sort_bytes(find->sort) : 0);
}

static void find_release(struct search *search)
{
    struct find *find = search->own;
    projection_free(&find->projection);
    find_sort_free(&find->sort);
    json_parsing_free(&find->parsing);
    json_free(&find->parsed);
    buffer_free(&find->documents);
    free(find);
}

static bool find_read(struct transaction *transaction, struct json_value data, struct find *find,
                      struct json_query **query)
{
    static const char *const keys[] = {"query", "fields", "sort", "skip", "limit"};
    if (json_type(data) <= JSON_NULL) {
        find->limit = FIND_LIMIT;
        return true;
    }
    return params_object(transaction, data, keys) &&
           params_integer(transaction, json_member(data, SLICE("skip")), "skip", 0, FIND_SKIP, 0,
                          &find->skip) &&
           params_integer(transaction, json_member(data, SLICE("limit")), "limit", 0, FIND_LIMIT, FIND_LIMIT,
                          &find->limit) &&
           projection_read(transaction, json_member(data, SLICE("fields")), &find->projection) &&
           find_sort_read(transaction, json_member(data, SLICE("sort")),
                          (uint64_t)(find->skip + find->limit) + 1, &find->sort) &&
           search_query(transaction, json_member(data, SLICE("query")), query);
}

static void find_documents(struct transaction *transaction, struct json_value data)
{
    struct find *own = memory_zeroed(1, sizeof *own);
    struct json_query *query = NULL;
    struct search bare = {.own = own};
    own->bytes_most = transaction->worker->config->limits.result_bytes;
    if (!find_read(transaction, data, own, &query)) {
        find_release(&bare);
        return;
    }
    struct search *search = search_create(transaction, query);
    search->own = own;
    search->parse = own->sort || own->projection.count;
    search->each = find_each;
    search->conclude = find_conclude;
    search->finish = find_finish;
    search->release = find_release;
    search->memory = find_memory;
    search_start(search);
}

static const struct method methods[] = {
    {"detail", ACCESS_AUTHORIZED, detail_document, METHOD_DETAIL},
    {"find", ACCESS_AUTHORIZED, find_documents, METHOD_FIND},
    {"count", ACCESS_AUTHORIZED, count_documents, METHOD_COUNT},
};

const struct method_table read_methods = {methods, sizeof methods / sizeof *methods};
