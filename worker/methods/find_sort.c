#include "worker/methods/find_sort.h"

#include <stdlib.h>

#include "shared/json/compare.h"
#include "shared/memory.h"

/* Bytes kept for one sorted answer, parsed documents included; and for all of this worker. */
enum { SORT_BYTES = 64 * 1024 * 1024, ALL_SORT_BYTES = 512 * 1024 * 1024 };

static size_t all_bytes;

struct kept {
    struct json json; /* parsed ->text */
    size_t bytes;     /* what it takes */
    char *text;
    size_t length;
    char *id;
    size_t id_length;
};

struct find_sort {
    char *paths[SORT_FIELDS];
    size_t path_lengths[SORT_FIELDS];
    bool descending[SORT_FIELDS];
    size_t fields;
    struct kept **kept; /* a heap with the last of them in front, until it is sorted */
    size_t count, next;
    size_t
        most; /* less once bytes ran out: what is kept is always the first so many of all that were added */
    size_t bytes;
    bool cut;
};

static int order(const struct find_sort *sort, struct json_value a, struct slice id_a, struct json_value b,
                 struct slice id_b)
{
    for (size_t i = 0; i < sort->fields; i++) {
        struct slice path = slice_of(sort->paths[i], sort->path_lengths[i]);
        int by_field = json_order(json_at_path(a, path), json_at_path(b, path));
        if (by_field)
            return sort->descending[i] ? -by_field : by_field;
    }
    return slice_compare(id_a, id_b);
}

static int order_kept(const struct find_sort *sort, const struct kept *a, const struct kept *b)
{
    return order(sort, json_root(&a->json), slice_of(a->id, a->id_length), json_root(&b->json),
                 slice_of(b->id, b->id_length));
}

static void kept_free(struct find_sort *sort, struct kept *kept)
{
    sort->bytes -= kept->bytes;
    all_bytes -= kept->bytes;
    json_free(&kept->json);
    free(kept->text);
    free(kept->id);
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

static void keep(struct find_sort *sort, struct slice id, struct slice full)
{
    struct kept *kept = memory_zeroed(1, sizeof *kept);
    kept->text = memory_copy(full.data, full.length);
    kept->length = full.length;
    kept->id = memory_copy(id.data, id.length);
    kept->id_length = id.length;
    if (!json_parse(&kept->json, kept->text, kept->length)) {
        kept_free(sort, kept); /* cannot be: it was parsed before it was stored */
        return;
    }
    kept->bytes = sizeof *kept + id.length + full.length + kept->json.capacity * sizeof *kept->json.nodes;
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
    if (sort->count >= sort->most) {
        sort->cut = true;
        if (sort->count == 0)
            return;
        const struct kept *last = sort->kept[0];
        if (order(sort, document, id, json_root(&last->json), slice_of(last->id, last->id_length)) > 0)
            return;
    }
    keep(sort, id, full);
    while (sort->count > sort->most)
        drop_last_in_order(sort);
    while (sort->count > 1 && is_too_much(sort)) {
        drop_last_in_order(sort);
        sort->most = sort->count;
    }
}

void find_sort_finish(struct find_sort *sort)
{
    for (size_t left = sort->count; left > 1; left--) {
        struct kept *last = sort->kept[0];
        sort->kept[0] = sort->kept[left - 1];
        sort->kept[left - 1] = last;
        sift_down(sort, 0, left - 1);
    }
}

bool find_sort_next(struct find_sort *sort, struct json_value *document, struct slice *full)
{
    if (sort->next == sort->count)
        return false;
    const struct kept *kept = sort->kept[sort->next++];
    *document = json_root(&kept->json);
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
        transaction_fail(transaction, ERROR_INVALID, "skip: with sort, skip and limit may be %d together",
                         SORT_KEPT - 1);
        return false;
    }
    struct find_sort *sort = memory_zeroed(1, sizeof *sort);
    sort->most = (size_t)keep_most;
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
        kept_free(sort, sort->kept[--sort->count]);
    for (size_t i = 0; i < sort->fields; i++)
        free(sort->paths[i]);
    free(sort->kept);
    free(sort);
    *slot = NULL;
}
