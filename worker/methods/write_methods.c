/*
 * insert, update, patch, remove: writing. None of them writes: each makes a change set, with ids and random
 * values already in it, and gives it to the committer, whose answer is the call's. Whether the caller may do
 * what the set says is decided there, against rights and documents as they are at its place in the order.
 */

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/base/random.h"
#include "shared/store/set_work.h"
#include "worker/base/committer_link.h"
#include "worker/base/snapshot.h"
#include "worker/methods/search.h"
#include "worker/rpc/method.h"
#include "worker/rpc/params.h"
#include "worker/session/session.h"

/* A document that is read, parsed, changed, compared, put. */
enum { WORK_DOCUMENT_BYTE = 16 };

/* In an answer beside an id: {"_id":,"_version":V}, where V has up to 10 digits. */
enum { VERSION_BYTES = 30 };

static struct buffer *begin_document_set(struct transaction *transaction, struct buffer *set,
                                         enum change_answer answer)
{
    transaction_begin_set(transaction, set, answer, (struct slice){0});
    return set;
}

/* What it is expected to be that a document is changed which has @bytes, and gets @more: set_work.h. */
static uint64_t work_of_change(size_t bytes, size_t more)
{
    return SET_WORK_OPERATION + SET_WORK_CHANGE + (uint64_t)(bytes + more) * WORK_DOCUMENT_BYTE;
}

/* The document's size now; @missing when it is not there, or not yet. */
static size_t size_of(struct transaction *transaction, struct slice id, size_t missing)
{
    struct worker *worker = transaction->worker;
    struct store_record record;
    work_charge(&worker->work, WORK_LOOKUP);
    if (snapshot_take(worker) &&
        store_get(worker->store, transaction->collection->index, id, &record) == ERROR_NONE)
        return record.full.length;
    return missing;
}

/* An id in an answer, with what stands around it. */
static size_t id_bytes(struct slice id)
{
    size_t bytes = id.length + 3;
    for (size_t i = 0; i < id.length; i++)
        bytes += id.data[i] == '"' || id.data[i] == '\\';
    return bytes;
}

/* An answer that names what was changed is bounded like those that give documents. False: answered. */
static bool answer_fits(struct transaction *transaction, uint64_t bytes)
{
    uint64_t most = transaction->worker->config->limits.result_bytes;
    if (bytes <= most)
        return true;
    transaction_fail(transaction, ERROR_TOO_LARGE,
                     "The answer could have more than %llu bytes (limits.result_bytes); change fewer "
                     "documents in one call",
                     (unsigned long long)most);
    return false;
}

/* Adds the insertion of one document, @index of the list or NOT_LISTED, to a set, and to @answer what its answer
 * has for it. False: answered. */
static bool add_insert(struct transaction *transaction, struct buffer *set, uint64_t *answer, int64_t index,
                       struct json_value document)
{
    struct worker *worker = transaction->worker;
    char made[RANDOM_ID_LENGTH + 1];
    struct slice id;
    if (json_type(document) != JSON_OBJECT) {
        transaction_fail_at(transaction, index, ERROR_INVALID,
                            "data: expected a document (an object) or a list, found %s",
                            json_type_name(json_type(document)));
        return false;
    }
    struct json_value given = json_member(document, SLICE("_id"));
    bool new_id = json_type(given) == JSON_NONE;
    buffer_clear(&worker->scratch);
    if (new_id) {
        random_id(made);
        id = slice_of(made, RANDOM_ID_LENGTH);
    } else if (!params_id_at(transaction, index, given, "_id", &worker->scratch, &id)) {
        return false;
    }
    struct buffer compact = {0};
    struct slice body = json_text(document);
    if (!worker->message.compact) {
        json_append_compact(&compact, document);
        body = buffer_slice(&compact);
    }
    struct change change = {
        .operation = CHANGE_INSERT,
        .flags = new_id ? CHANGE_NEW_ID : 0,
        .version = CHANGE_ANY_VERSION,
        .collection = slice_text(transaction->collection->name),
        .id = id,
        .body = body,
    };
    change_set_add(set, &change);
    buffer_free(&compact);
    *answer += id_bytes(id) + VERSION_BYTES;
    return true;
}

static bool count_allowed(struct transaction *transaction, uint32_t count, const char *what)
{
    uint64_t most = transaction->worker->config->limits.bulk_documents;
    if (count <= most)
        return true;
    transaction_fail(transaction, ERROR_TOO_LARGE, "One call may have at most %llu %s",
                     (unsigned long long)most, what);
    return false;
}

static void insert_documents(struct transaction *transaction, struct json_value data)
{
    struct buffer set = {0};
    uint64_t answer = 0;
    buffer_reserve(&set, transaction->worker->message.length); /* about what it will take */
    bool list = json_type(data) == JSON_ARRAY;
    begin_document_set(transaction, &set, list ? ANSWER_LIST : ANSWER_ID_VERSION);
    bool good = true;
    if (list) {
        good = count_allowed(transaction, json_count(data), "documents");
        if (good)
            transaction->work = json_count(data) * work_of_change(0, 0);
        struct json_iterator each = json_begin(data);
        for (uint32_t i = 0; good && json_step(&each); i++)
            good = add_insert(transaction, &set, &answer, i, each.value);
    } else {
        good = add_insert(transaction, &set, &answer, NOT_LISTED, data);
    }
    good = good && answer_fits(transaction, list ? answer : 0);
    if (good && list)
        transaction_commit_list(transaction, &set);
    else if (good)
        transaction_commit(transaction, &set);
    buffer_free(&set);
}

static bool read_version(struct transaction *transaction, struct json_value data, int64_t *version)
{
    return params_integer(transaction, json_member(data, SLICE("_version")), "_version", 0, INT64_MAX,
                          CHANGE_ANY_VERSION, version);
}

static bool read_changes(struct transaction *transaction, struct json_value data, struct json_value *changes)
{
    *changes = json_member(data, SLICE("changes"));
    if (json_type(*changes) == JSON_OBJECT)
        return true;
    transaction_fail(transaction, ERROR_INVALID, "changes: expected an object (a JSON Merge Patch), found %s",
                     json_type_name(json_type(*changes)));
    return false;
}

/* update of what a query finds: the ids are gathered first, in steps; the set skips those that go meanwhile.
 * The changes are in it once. */
struct update_all {
    struct buffer operations;
    struct buffer changes;
    uint64_t count;
    uint64_t bytes;  /* of the operations, if each had the changes itself: what may be is no more than that */
    uint64_t answer; /* bytes of the ids in it */
};

static uint64_t bytes_most(const struct config *config)
{
    uint64_t set = committer_link_set_most(config);
    return set < config->limits.worker_calls_bytes ? set : config->limits.worker_calls_bytes;
}

static enum search_verdict update_each(struct search *search, struct slice id,
                                       const struct store_record *record)
{
    struct update_all *all = search->own;
    search->transaction->work += work_of_change(record->full.length, all->changes.length);
    uint64_t most = search->transaction->worker->config->limits.bulk_documents;
    if (++all->count > most) {
        transaction_fail(search->transaction, ERROR_TOO_LARGE,
                         "One call may change at most %llu documents; this query finds more",
                         (unsigned long long)most);
        return SEARCH_ANSWERED;
    }
    struct change change = {
        .operation = CHANGE_MERGE,
        .flags = CHANGE_SKIP_MISSING | (all->count > 1 ? CHANGE_SAME_BODY : 0U),
        .version = CHANGE_ANY_VERSION,
        .collection = slice_text(search->transaction->collection->name),
        .id = id,
        .body = buffer_slice(&all->changes),
    };
    size_t before = all->operations.length;
    change_set_add(&all->operations, &change);
    size_t added = all->operations.length - before;
    work_charge(&search->transaction->worker->work, WORK_NODE + work_bytes(added));
    all->bytes += all->count > 1 ? added + all->changes.length : added;
    all->answer += id_bytes(id);
    if (!answer_fits(search->transaction, all->answer))
        return SEARCH_ANSWERED;
    if (all->bytes <= bytes_most(search->transaction->worker->config))
        return SEARCH_ON;
    transaction_fail(search->transaction, ERROR_TOO_LARGE,
                     "These changes of %llu documents are too large for one call",
                     (unsigned long long)all->count);
    return SEARCH_ANSWERED;
}

static void update_finish(struct search *search, struct transaction *transaction)
{
    struct update_all *all = search->own;
    struct buffer set = {0};
    begin_document_set(transaction, &set, ANSWER_IDS);
    buffer_append_slice(&set, buffer_slice(&all->operations));
    transaction_commit(transaction, &set);
    buffer_free(&set);
}

static size_t update_memory(const struct search *search)
{
    const struct update_all *all = search->own;
    return all->operations.length + all->changes.length;
}

static void update_release(struct search *search)
{
    struct update_all *all = search->own;
    buffer_free(&all->operations);
    buffer_free(&all->changes);
    free(all);
}

static void update_by_query(struct transaction *transaction, struct json_value data,
                            struct json_value changes)
{
    struct json_query *query;
    if (json_type(json_member(data, SLICE("query"))) != JSON_OBJECT) {
        transaction_fail(transaction, ERROR_INVALID, "query: expected an object");
        return;
    }
    if (json_type(json_member(changes, SLICE("_id"))) != JSON_NONE) {
        transaction_fail(transaction, ERROR_INVALID, "changes._id: an id cannot be changed");
        return;
    }
    if (!search_query(transaction, json_member(data, SLICE("query")), &query))
        return;
    struct update_all *all = memory_zeroed(1, sizeof *all);
    json_append_compact(&all->changes, changes);
    struct search *search = search_create(transaction, query);
    search->own = all;
    search->each = update_each;
    search->finish = update_finish;
    search->release = update_release;
    search->memory = update_memory;
    search_start(search);
}

static void update_by_id(struct transaction *transaction, struct json_value data, struct json_value changes)
{
    struct slice id;
    int64_t version;
    bool upsert;
    if (!params_id(transaction, json_member(data, SLICE("_id")), "_id", &transaction->worker->scratch, &id) ||
        !read_version(transaction, data, &version) ||
        !params_boolean(transaction, json_member(data, SLICE("upsert")), "upsert", false, &upsert))
        return;
    struct buffer set = {0}, compact = {0};
    json_append_compact(&compact, changes);
    transaction->work = work_of_change(size_of(transaction, id, 0), compact.length);
    struct change change = {
        .operation = CHANGE_MERGE,
        .flags = upsert ? CHANGE_UPSERT : 0,
        .version = version,
        .collection = slice_text(transaction->collection->name),
        .id = id,
        .body = buffer_slice(&compact),
    };
    change_set_add(begin_document_set(transaction, &set, ANSWER_IDS_VERSION), &change);
    transaction_commit(transaction, &set);
    buffer_free(&set);
    buffer_free(&compact);
}

static void update_documents(struct transaction *transaction, struct json_value data)
{
    static const char *const by_id[] = {"_id", "changes", "_version", "upsert"};
    static const char *const by_query[] = {"query", "changes"};
    struct json_value changes;
    bool one = json_type(json_member(data, SLICE("query"))) == JSON_NONE;
    if (!params_object_of(transaction, data, one ? by_id : by_query, one ? 4 : 2) ||
        !read_changes(transaction, data, &changes))
        return;
    if (one)
        update_by_id(transaction, data, changes);
    else
        update_by_query(transaction, data, changes);
}

static void patch_documents(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"_id", "operations", "_version"};
    struct slice id;
    int64_t version;
    if (!params_object(transaction, data, keys) ||
        !params_id(transaction, json_member(data, SLICE("_id")), "_id", &transaction->worker->scratch, &id) ||
        !read_version(transaction, data, &version))
        return;
    struct json_value operations = json_member(data, SLICE("operations"));
    if (json_type(operations) != JSON_ARRAY) {
        transaction_fail(transaction, ERROR_INVALID, "operations: expected a list (a JSON Patch), found %s",
                         json_type_name(json_type(operations)));
        return;
    }
    struct buffer set = {0}, compact = {0};
    json_append_compact(&compact, operations);
    /* Each may move as much as there is. */
    size_t size = size_of(transaction, id, transaction->worker->config->limits.document_bytes);
    transaction->work = work_of_change(size, compact.length) + (uint64_t)json_count(operations) * size;
    struct change change = {
        .operation = CHANGE_PATCH,
        .version = version,
        .collection = slice_text(transaction->collection->name),
        .id = id,
        .body = buffer_slice(&compact),
    };
    change_set_add(begin_document_set(transaction, &set, ANSWER_ID_VERSION), &change);
    transaction_commit(transaction, &set);
    buffer_free(&set);
    buffer_free(&compact);
}

/* @value: the id, @index of the list or NOT_LISTED. False: answered. */
static bool add_remove(struct transaction *transaction, struct buffer *set, uint64_t *answer, int64_t index,
                       struct json_value value, int64_t version)
{
    struct slice id;
    buffer_clear(&transaction->worker->scratch);
    if (!params_id_at(transaction, index, value, "_id", &transaction->worker->scratch, &id))
        return false;
    struct change change = {
        .operation = CHANGE_REMOVE,
        .flags = CHANGE_SKIP_MISSING,
        .version = version,
        .collection = slice_text(transaction->collection->name),
        .id = id,
    };
    change_set_add(set, &change);
    *answer += id_bytes(id);
    return true;
}

static void remove_documents(struct transaction *transaction, struct json_value data)
{
    static const char *const keys[] = {"_id", "_version"};
    int64_t version;
    if (!params_object(transaction, data, keys) || !read_version(transaction, data, &version))
        return;
    struct json_value ids = json_member(data, SLICE("_id"));
    struct buffer set = {0};
    uint64_t answer = 0;
    begin_document_set(transaction, &set, ANSWER_IDS);
    bool good = true, list = json_type(ids) == JSON_ARRAY;
    if (!list) {
        good = add_remove(transaction, &set, &answer, NOT_LISTED, ids, version);
    } else if (version != CHANGE_ANY_VERSION) {
        transaction_fail(transaction, ERROR_INVALID, "_version: allowed only with one _id");
        good = false;
    } else {
        good = count_allowed(transaction, json_count(ids), "ids");
        if (good)
            transaction->work = json_count(ids) * work_of_change(0, 0);
        struct json_iterator each = json_begin(ids);
        for (uint32_t i = 0; good && json_step(&each); i++)
            good = add_remove(transaction, &set, &answer, i, each.value, version);
    }
    good = good && answer_fits(transaction, answer);
    if (good && list)
        transaction_commit_list(transaction, &set);
    else if (good)
        transaction_commit(transaction, &set);
    buffer_free(&set);
}

static const struct method methods[] = {
    {"insert", ACCESS_AUTHORIZED, insert_documents, METHOD_INSERT},
    {"update", ACCESS_AUTHORIZED, update_documents, METHOD_UPDATE},
    {"patch", ACCESS_AUTHORIZED, patch_documents, METHOD_PATCH},
    {"remove", ACCESS_AUTHORIZED, remove_documents, METHOD_REMOVE},
};

const struct method_table write_methods = {methods, sizeof methods / sizeof *methods};
