#include "worker/methods/find.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/store/store_search.h"
#include "worker/methods/find_cursor.h"
#include "worker/methods/find_sort.h"
#include "worker/methods/projection.h"
#include "worker/methods/search.h"
#include "worker/rpc/params.h"

/* Bytes kept for one sorted answer; less where a worker's calls may have less than four times as much. */
enum { SORT_BYTES = 64 * 1024 * 1024, SORT_SHARE = 4 };

static const char answer_head[] = "{\"documents\":[";
enum { ANSWER_HEAD = sizeof answer_head - 1 };

/* What comes next with those that are in order. */
enum sorted_stage { STAGE_NEXT, STAGE_PARSE, STAGE_WRITE };

struct find {
    int64_t skip, limit;
    int64_t skipped, taken;
    uint64_t bytes_most;
    struct projection projection;
    struct buffer after; /* as it was given; empty: from the start */
    struct find_cursor cursor;
    /* the answer, up to the last document */
    struct buffer answer;
    size_t before; /* bytes of it in front of the one that is being written */
    bool writing;
    bool more;
    /* in the order of the walk */
    const char *index;      /* NULL: that of ids */
    struct buffer position; /* of the last document of the answer */
    /* sorted */
    struct sort_order order;
    struct find_sort *sort; /* NULL: it is not */
    struct sort_keys keys;
    bool taking_keys; /* of the candidate */
    enum sorted_stage stage;
    struct find_sorted next, last; /* the one that comes next; the last one of the answer */
    struct json parsed;            /* the next one */
    struct json_parsing *parsing;
};

static struct json_units units_of_turn(const struct search *search)
{
    const struct work *work = &search->transaction->worker->work;
    return (struct json_units){.left = work->used < search->most ? search->most - work->used : 1};
}

/* Whether the next document is not to be written: *@verdict says what then. */
static bool passes_over(struct find *find, enum search_verdict *verdict)
{
    *verdict = SEARCH_ON;
    if (find->skipped < find->skip) {
        find->skipped++;
        return true;
    }
    if (find->taken < find->limit)
        return false;
    find->more = true;
    *verdict = SEARCH_ENOUGH;
    return true;
}

static void begin_document(struct find *find, struct work *work, struct json_value document,
                           struct slice full)
{
    find->writing = true;
    find->before = find->answer.length;
    if (find->taken)
        buffer_append_byte(&find->answer, ',');
    work_charge(work, WORK_NODE);
    if (find->projection.count) {
        projection_begin(&find->projection, &find->answer, document);
        return;
    }
    work_charge(work, work_bytes(full.length));
    buffer_append_slice(&find->answer, full);
}

/* The first document is given whatever its size. */
static bool has_no_room(const struct find *find, size_t cursor_bytes)
{
    return find->taken && find->answer.length - ANSWER_HEAD + cursor_bytes > find->bytes_most;
}

/* Goes on with a document, whose cursor would have so many bytes. SEARCH_ON: it is in the answer; SEARCH_ENOUGH:
 * there is no room for it; SEARCH_AGAIN: the turn is used up. */
static enum search_verdict write_document(struct search *search, struct json_value document,
                                          struct slice full, size_t cursor_bytes)
{
    struct find *find = search->own;
    struct work *work = &search->transaction->worker->work;
    if (!find->writing)
        begin_document(find, work, document, full);
    if (find->projection.count) {
        struct json_units units = units_of_turn(search);
        bool done = projection_go_on(&find->projection, &find->answer, document, &units);
        work_charge(work, units.taken);
        if (!done && !has_no_room(find, cursor_bytes))
            return SEARCH_AGAIN;
    }
    find->writing = false;
    if (has_no_room(find, cursor_bytes)) {
        buffer_shorten(&find->answer, find->before);
        find->more = true;
        return SEARCH_ENOUGH;
    }
    find->taken++;
    return SEARCH_ON;
}

/* One that comes in the order of the walk. */
static enum search_verdict take_walked(struct search *search, struct json_value document, struct slice full)
{
    struct find *find = search->own;
    enum search_verdict verdict;
    if (!find->writing && passes_over(find, &verdict))
        return verdict;
    struct slice position = store_search_position(search->walk);
    verdict = write_document(search, document, full, find_cursor_walked_most(find->index, position));
    if (verdict != SEARCH_ON)
        return verdict;
    buffer_clear(&find->position);
    buffer_append_slice(&find->position, position);
    return SEARCH_ON;
}

static enum search_verdict sort_document(struct search *search, struct slice id, struct json_value document,
                                         struct slice full)
{
    struct find *find = search->own;
    struct json_units units = units_of_turn(search);
    if (!find->taking_keys)
        sort_keys_begin(&find->keys, &find->order);
    find->taking_keys = !sort_keys_take(&find->keys, &find->order, document, &units);
    work_charge(&search->transaction->worker->work, units.taken);
    if (find->taking_keys)
        return SEARCH_AGAIN;
    find_sort_add(find->sort, id, find->keys.keys, full);
    return SEARCH_ON;
}

static enum search_verdict find_each(struct search *search, struct slice id,
                                     const struct store_record *record)
{
    const struct find *find = search->own;
    struct json_value document =
        search->parse ? json_root(&search->candidate.document) : (struct json_value){0};
    return find->sort ? sort_document(search, id, document, record->full)
                      : take_walked(search, document, record->full);
}

/* ---- those that were sorted ---- */

static enum search_verdict take_next(struct find *find, struct work *work)
{
    enum search_verdict verdict;
    work_charge(work, WORK_NODE);
    if (!find_sort_next(find->sort, &find->next))
        return SEARCH_ENOUGH;
    if (passes_over(find, &verdict))
        return verdict;
    find->stage = find->projection.count ? STAGE_PARSE : STAGE_WRITE;
    if (find->projection.count)
        find->parsing = json_parsing_create(&find->parsed, find->next.full, true);
    return SEARCH_ON;
}

static enum search_verdict parse_next(struct search *search)
{
    struct find *find = search->own;
    uint64_t units = units_of_turn(search).left;
    enum json_parsed parsed = json_parsing_go_on(find->parsing, &units);
    work_charge(&search->transaction->worker->work, units);
    if (parsed == JSON_PARSED_MORE)
        return SEARCH_ON;
    json_parsing_free(&find->parsing);
    find->stage = STAGE_WRITE;
    return parsed == JSON_PARSED_NOT ? SEARCH_FAILED : SEARCH_ON; /* cannot be: it was parsed before */
}

static enum search_verdict write_next(struct search *search)
{
    struct find *find = search->own;
    const struct find_sorted *next = &find->next;
    size_t cursor_bytes = find_cursor_sorted_most(&find->order, next->keys, next->id);
    enum search_verdict verdict = write_document(search, json_root(&find->parsed), next->full, cursor_bytes);
    if (verdict == SEARCH_AGAIN)
        return SEARCH_ON;
    if (verdict == SEARCH_ON)
        find->last = *next;
    find_sort_given(find->sort);
    find->stage = STAGE_NEXT;
    return verdict;
}

static enum search_verdict find_conclude(struct search *search)
{
    struct find *find = search->own;
    struct work *work = &search->transaction->worker->work;
    enum search_verdict verdict = SEARCH_ON;
    if (!find->sort)
        return SEARCH_ENOUGH;
    if (work->used >= search->most || !find_sort_finish(find->sort, search->most - work->used))
        return SEARCH_ON;
    while (verdict == SEARCH_ON && work->used < search->most)
        switch (find->stage) {
        case STAGE_NEXT:
            verdict = take_next(find, work);
            break;
        case STAGE_PARSE:
            verdict = parse_next(search);
            break;
        case STAGE_WRITE:
            verdict = write_next(search);
            break;
        }
    return verdict;
}

/* ---- the answer ---- */

static void find_finish(struct search *search, struct transaction *transaction)
{
    struct find *find = search->own;
    if (find->sort) {
        find->more |= find_sort_cut(find->sort);
        if (find->more && !find->taken && find->limit) {
            transaction_fail(
                transaction, ERROR_TOO_LARGE,
                "skip: the documents that it leaves out are too large to sort; go on from page to "
                "page with `after`");
            return;
        }
    }
    buffer_append_text(&find->answer, find->more ? "],\"more\":true" : "],\"more\":false");
    if (find->more && find->taken) {
        buffer_append_text(&find->answer, ",\"after\":");
        if (find->sort)
            find_cursor_append_sorted(&find->answer, &find->order, find->last.keys, find->last.id);
        else
            find_cursor_append_walked(&find->answer, find->index, buffer_slice(&find->position));
    }
    buffer_append_byte(&find->answer, '}');
    transaction_fulfill(transaction, buffer_slice(&find->answer), 0);
}

/* A single document counts for no more than one may have now: else one that was stored when it might have
 * more could not be found. */
static size_t find_memory(const struct search *search)
{
    const struct find *find = search->own;
    const uint64_t document = search->transaction->worker->config->limits.document_bytes;
    size_t bytes = find->answer.length + (find->sort ? find_sort_bytes(find->sort) : 0);
    size_t documents = (size_t)find->taken + (find->sort ? find_sort_documents(find->sort) : 0);
    return documents <= 1 && bytes > document ? document : bytes;
}

static void find_release(struct search *search)
{
    struct find *find = search->own;
    projection_free(&find->projection);
    find_sort_free(&find->sort);
    sort_order_free(&find->order);
    sort_keys_free(&find->keys);
    find_cursor_free(&find->cursor);
    json_parsing_free(&find->parsing);
    json_free(&find->parsed);
    buffer_free(&find->after);
    buffer_free(&find->answer);
    buffer_free(&find->position);
    free(find);
}

/* ---- the call ---- */

/* How the walk goes is known: whether it is in the order that was asked for, and where it goes on. */
static bool find_started(struct search *search)
{
    struct find *find = search->own;
    struct worker *worker = search->transaction->worker;
    const char *index = store_search_index(search->walk);
    const bool by_id = !index || strcmp(index, "_id") == 0;
    const uint64_t share = worker->config->limits.worker_calls_bytes / SORT_SHARE;
    find->index = by_id ? NULL : index;
    if (find->order.count && !(by_id && sort_order_is_natural(&find->order)))
        find->sort = find_sort_create(&find->order, &worker->work, (size_t)(find->skip + find->limit) + 1,
                                      share < SORT_BYTES ? share : SORT_BYTES, &worker->sorts_held);
    search->parse = find->sort || find->projection.count;
    if (!find->after.length)
        return true;
    work_charge(&worker->work, find->after.length / 2); /* to parse it, at most */
    if (!find_cursor_read(&find->cursor, buffer_slice(&find->after), find->sort ? &find->order : NULL,
                          find->index)) {
        transaction_fail(search->transaction, ERROR_INVALID,
                         "after: expected the text from an answer to the same query and sort, found another");
        return false;
    }
    if (find->sort)
        find_sort_after(find->sort, find->cursor.keys, find->cursor.id);
    else
        store_search_after(search->walk, find->cursor.id);
    return true;
}

static bool read_after(struct transaction *transaction, struct json_value value, struct find *find)
{
    struct buffer scratch = {0};
    if (json_type(value) <= JSON_NULL)
        return true;
    struct slice text;
    bool good = params_text(transaction, value, "after", 1, CURSOR_MOST, &scratch, &text);
    if (good)
        buffer_append_slice(&find->after, text);
    buffer_free(&scratch);
    return good;
}

static bool read_sort(struct transaction *transaction, struct json_value sort, struct find *find)
{
    if (!sort_order_read(transaction, sort, transaction->worker->config->limits.message_bytes, &find->order))
        return false;
    if (!find->order.count || find->skip + find->limit <= SORT_DOCUMENTS)
        return true;
    transaction_fail(
        transaction, ERROR_INVALID,
        "skip: with sort, skip and limit together may be at most %d; go on from page to page with "
        "`after`",
        SORT_DOCUMENTS);
    return false;
}

static bool find_read(struct transaction *transaction, struct json_value data, struct find *find,
                      struct json_query **query)
{
    static const char *const keys[] = {"query", "fields", "sort", "skip", "limit", "after"};
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
           read_sort(transaction, json_member(data, SLICE("sort")), find) &&
           read_after(transaction, json_member(data, SLICE("after")), find) &&
           search_query(transaction, json_member(data, SLICE("query")), query);
}

void find_documents(struct transaction *transaction, struct json_value data)
{
    struct find *own = memory_zeroed(1, sizeof *own);
    struct json_query *query = NULL;
    struct search bare = {.own = own};
    own->bytes_most = transaction->worker->config->limits.result_bytes;
    if (!find_read(transaction, data, own, &query)) {
        find_release(&bare);
        return;
    }
    buffer_append_text(&own->answer, answer_head);
    struct search *search = search_create(transaction, query);
    search->own = own;
    search->started = find_started;
    search->each = find_each;
    search->conclude = find_conclude;
    search->finish = find_finish;
    search->release = find_release;
    search->memory = find_memory;
    search_start(search);
}
