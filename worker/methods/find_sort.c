#include "worker/methods/find_sort.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/json/compare.h"
#include "shared/json/number.h"

/* Bytes kept for one sorted answer; and for all of this worker. */
enum { SORT_BYTES = 64 * 1024 * 1024, ALL_SORT_BYTES = 512 * 1024 * 1024 };

enum { SHORT_KEY = 64 }; /* bytes */

/* Units of work to compare two documents that lie anywhere; to take memory for one, and to give it back; its
 * bytes are written for the first time. */
enum { COMPARE_WORK = 6, KEPT_WORK = 20, FIRST_WRITES = 2 };

static size_t all_bytes;

/* What a document is sorted by, taken out of it once: comparing is then no more than looking at bytes. */
struct sort_key {
    enum json_type type;
    bool apart;         /* ->bytes are in ->characters, else in the document's text */
    struct slice bytes; /* a string's characters, a number's or container's text */
};

/* Its keys and its id are in one piece: most of the time is spent waiting for memory. */
struct kept {
    size_t bytes; /* what it takes */
    char *text;
    size_t length;
    char *id;
    size_t id_length;
    char *characters;
    struct sort_key keys[]; /* then the id, then the characters */
};

struct find_sort {
    struct work *work; /* may be NULL */
    char *paths[SORT_FIELDS];
    size_t path_lengths[SORT_FIELDS];
    bool descending[SORT_FIELDS];
    size_t fields;
    struct sort_key keys[SORT_FIELDS]; /* of the document being added */
    struct buffer characters;
    struct kept **kept; /* a heap with the last of them in front, until it is sorted */
    size_t count, next;
    size_t most; /* less once bytes ran out: what is kept is always the first so many of all that were
                    added */
    bool finishing;
    size_t unsorted; /* then so many in front are a heap still */
    size_t bytes;
    bool cut;
};

/* As json_order() has it. */
static int order_keys(struct work *work, const struct sort_key *a, const struct sort_key *b)
{
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    size_t least = a->bytes.length < b->bytes.length ? a->bytes.length : b->bytes.length;
    if (a->type == JSON_NUMBER) {
        work_charge(work, least / 16);
        return json_number_compare(a->bytes, b->bytes);
    }
    work_charge(work, work_bytes(least));
    if (a->type == JSON_STRING)
        return slice_compare(a->bytes, b->bytes);
    if (a->type < JSON_ARRAY)
        return 0;
    if (a->bytes.length != b->bytes.length)
        return a->bytes.length < b->bytes.length ? -1 : 1;
    return slice_compare(a->bytes, b->bytes);
}

static int order_documents(const struct find_sort *sort, const struct sort_key *a, struct slice id_a,
                           const struct kept *b)
{
    work_charge(sort->work, COMPARE_WORK);
    for (size_t i = 0; i < sort->fields; i++) {
        int by_field = order_keys(sort->work, &a[i], &b->keys[i]);
        if (by_field)
            return sort->descending[i] ? -by_field : by_field;
    }
    return slice_compare(id_a, slice_of(b->id, b->id_length));
}

static int order_kept(const struct find_sort *sort, const struct kept *a, const struct kept *b)
{
    return order_documents(sort, a->keys, slice_of(a->id, a->id_length), b);
}

static void take_key(struct find_sort *sort, struct sort_key *key, struct json_value value)
{
    *key = (struct sort_key){.type = json_type(value), .bytes = json_text(value)};
    size_t start = sort->characters.length;
    if (key->type == JSON_STRING)
        key->bytes = json_string(value, &sort->characters);
    if (sort->characters.length == start && key->bytes.length <= SHORT_KEY)
        buffer_append_slice(&sort->characters, key->bytes);
    key->apart = sort->characters.length > start;
    if (key->apart)
        key->bytes.data = sort->characters.data + start;
}

/* Fills ->keys. Each path is a walk through as many members and elements as the document has at most. */
static void take_keys(struct find_sort *sort, struct json_value document, struct slice full)
{
    buffer_clear(&sort->characters);
    buffer_reserve(&sort->characters, full.length * sort->fields); /* nothing moves */
    for (size_t i = 0; i < sort->fields; i++)
        take_key(sort, &sort->keys[i],
                 json_at_path(document, slice_of(sort->paths[i], sort->path_lengths[i])));
    work_charge(sort->work, sort->fields * (1 + document.json->count / 4));
}

static void kept_free(struct find_sort *sort, struct kept *kept)
{
    sort->bytes -= kept->bytes;
    all_bytes -= kept->bytes;
    free(kept->text);
    free(kept);
}

static void sift_down(struct find_sort *sort, size_t at, size_t count)
{
    for (;;) {
        size_t largest = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
            if (order_kept(sort, sort->kept[child], sort->kept[largest]) > 0)
                largest = child;
        if (largest == at)
            return;
        struct kept *swap = sort->kept[at];
        sort->kept[at] = sort->kept[largest];
        sort->kept[largest] = swap;
        at = largest;
    }
}

static void sift_up(struct find_sort *sort, size_t at)
{
    while (at && order_kept(sort, sort->kept[at], sort->kept[(at - 1) / 2]) > 0) {
        struct kept *swap = sort->kept[at];
        sort->kept[at] = sort->kept[(at - 1) / 2];
        sort->kept[(at - 1) / 2] = swap;
        at = (at - 1) / 2;
    }
}

static void drop_last_in_order(struct find_sort *sort)
{
    kept_free(sort, sort->kept[0]);
    sort->kept[0] = sort->kept[--sort->count];
    sift_down(sort, 0, sort->count);
    sort->cut = true;
}

static struct kept *kept_create(const struct find_sort *sort, struct slice id, struct slice full)
{
    struct slice characters = buffer_slice(&sort->characters);
    size_t keys = sort->fields * sizeof(struct sort_key);
    struct kept *kept = memory_zeroed(1, sizeof *kept + keys + id.length + characters.length);
    kept->text = memory_copy(full.data, full.length);
    kept->length = full.length;
    kept->id = (char *)kept->keys + keys;
    kept->id_length = id.length;
    kept->characters = kept->id + id.length;
    memcpy(kept->id, id.data, id.length);
    memcpy(kept->characters, characters.data, characters.length);
    for (size_t i = 0; i < sort->fields; i++) {
        struct sort_key *key = &kept->keys[i];
        *key = sort->keys[i];
        if (key->bytes.data)
            key->bytes.data = key->apart ? kept->characters + (key->bytes.data - characters.data)
                                         : kept->text + (key->bytes.data - full.data);
    }
    kept->bytes = sizeof *kept + keys + id.length + characters.length + full.length;
    return kept;
}

/* The document whose keys are in ->keys. */
static void find_sort_keep(struct find_sort *sort, struct slice id, struct slice full)
{
    struct kept *kept = kept_create(sort, id, full);
    work_charge(sort->work, KEPT_WORK + FIRST_WRITES * work_bytes(kept->bytes));
    sort->bytes += kept->bytes;
    all_bytes += kept->bytes;
    sort->kept = memory_resize(sort->kept, sort->count + 1, sizeof *sort->kept);
    sort->kept[sort->count++] = kept;
    sift_up(sort, sort->count - 1);
}

static bool is_too_much(const struct find_sort *sort)
{
    return sort->bytes > SORT_BYTES || all_bytes > ALL_SORT_BYTES;
}

void find_sort_add(struct find_sort *sort, struct slice id, struct json_value document, struct slice full)
{
    if (sort->count >= sort->most && sort->count == 0) {
        sort->cut = true;
        return;
    }
    take_keys(sort, document, full);
    if (sort->count >= sort->most) {
        sort->cut = true;
        if (order_documents(sort, sort->keys, id, sort->kept[0]) > 0)
            return;
    }
    find_sort_keep(sort, id, full);
    while (sort->count > sort->most)
        drop_last_in_order(sort);
    while (sort->count > 1 && is_too_much(sort)) {
        drop_last_in_order(sort);
        sort->most = sort->count;
    }
}

bool find_sort_finish(struct find_sort *sort, uint64_t units)
{
    const uint64_t most = sort->work ? sort->work->used + units : 0;
    if (!sort->finishing)
        sort->unsorted = sort->count;
    sort->finishing = true;
    while (sort->unsorted > 1) {
        if (sort->work && sort->work->used >= most)
            return false;
        size_t left = sort->unsorted--;
        struct kept *last = sort->kept[0];
        sort->kept[0] = sort->kept[left - 1];
        sort->kept[left - 1] = last;
        sift_down(sort, 0, left - 1);
    }
    return true;
}

bool find_sort_next(struct find_sort *sort, struct slice *full)
{
    if (sort->next && sort->kept[sort->next - 1]) { /* all at once would take its time */
        kept_free(sort, sort->kept[sort->next - 1]);
        sort->kept[sort->next - 1] = NULL;
    }
    if (sort->next == sort->count)
        return false;
    work_charge(sort->work, KEPT_WORK);
    const struct kept *kept = sort->kept[sort->next++];
    *full = slice_of(kept->text, kept->length);
    return true;
}

bool find_sort_cut(const struct find_sort *sort)
{
    return sort->cut;
}

size_t find_sort_bytes(const struct find_sort *sort)
{
    return sort->bytes;
}

static bool read_field(struct transaction *transaction, struct find_sort *sort,
                       const struct json_iterator *each)
{
    int64_t direction;
    if (!json_integer(each->value, &direction) || (direction != 1 && direction != -1)) {
        struct slice key = json_text(each->key);
        transaction_fail(transaction, ERROR_INVALID, "sort.%.*s: expected 1 or -1", (int)key.length,
                         key.data);
        return false;
    }
    struct buffer scratch = {0};
    struct slice path = json_string(each->key, &scratch);
    sort->paths[sort->fields] = memory_copy(path.data, path.length);
    sort->path_lengths[sort->fields] = path.length;
    sort->descending[sort->fields++] = direction < 0;
    buffer_free(&scratch);
    return true;
}

bool find_sort_read(struct transaction *transaction, struct json_value value, uint64_t keep_most,
                    struct find_sort **out)
{
    *out = NULL;
    if (json_type(value) <= JSON_NULL)
        return true;
    if (json_type(value) != JSON_OBJECT || json_count(value) == 0 || json_count(value) > SORT_FIELDS) {
        transaction_fail(transaction, ERROR_INVALID,
                         "sort: expected {field: 1 or -1, ...} with 1 to %d fields", SORT_FIELDS);
        return false;
    }
    if (keep_most > SORT_KEPT) {
        transaction_fail(transaction, ERROR_INVALID,
                         "skip: with sort, skip and limit together may be at most %d", SORT_KEPT - 1);
        return false;
    }
    struct find_sort *sort = memory_zeroed(1, sizeof *sort);
    sort->most = (size_t)keep_most;
    sort->work = transaction ? &transaction->worker->work : NULL;
    *out = sort;
    struct json_iterator each = json_begin(value);
    while (json_step(&each))
        if (!read_field(transaction, sort, &each))
            return false;
    return true;
}

void find_sort_free(struct find_sort **slot)
{
    struct find_sort *sort = *slot;
    if (!sort)
        return;
    while (sort->count)
        if (sort->kept[--sort->count])
            kept_free(sort, sort->kept[sort->count]);
    for (size_t i = 0; i < sort->fields; i++)
        free(sort->paths[i]);
    free(sort->kept);
    buffer_free(&sort->characters);
    free(sort);
    *slot = NULL;
}
