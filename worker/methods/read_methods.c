/*
 * detail and count, and the table with find: reading. None of them changes anything, so none needs the committer; each document is
 * shown only to those who may read it.
 */

#include <stdlib.h>

#include "shared/base/container_of.h"
#include "shared/base/memory.h"
#include "worker/base/snapshot.h"
#include "worker/intake/ring_intake.h"
#include "worker/methods/find.h"
#include "worker/methods/search.h"
#include "worker/rpc/error_texts.h"
#include "worker/rpc/method.h"
#include "worker/rpc/params.h"
#include "worker/session/session.h"

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

static const struct method methods[] = {
    {"detail", ACCESS_AUTHORIZED, detail_document, METHOD_DETAIL},
    {"find", ACCESS_AUTHORIZED, find_documents, METHOD_FIND},
    {"count", ACCESS_AUTHORIZED, count_documents, METHOD_COUNT},
};

const struct method_table read_methods = {methods, sizeof methods / sizeof *methods};
