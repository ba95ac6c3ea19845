#include "worker/methods/find_sort.h"

#include <stdlib.h>

#include "shared/base/memory.h"

/* Bytes kept for all sorted answers of this worker. */
enum { ALL_SORT_BYTES = 512 * 1024 * 1024 };

/* Units of work to compare two documents that lie anywhere; to take memory for one, and to give it back; its
 * bytes are written for the first time. */
enum { COMPARE_WORK = 6, KEPT_WORK = 20, FIRST_WRITES = 2 };

/* Its keys and its id are in one piece: most of the time is spent waiting for memory. */
struct kept {
    size_t bytes; /* what it takes */
    char *text;
    size_t length;
    char *id;
    size_t id_length;
    struct sort_key keys[]; /* then the id, then the bytes of the keys */
};

struct find_sort {
    struct work *work; /* may be NULL */
    size_t *all_bytes; /* of all sorts of the worker */
    const struct sort_order *order;
    const struct sort_key *after; /* keys; NULL: there is no bound */
    struct slice after_id;
    struct kept **kept; /* a heap with the last of them in front, until it is sorted */
    size_t count, next;
    size_t texts; /* those that have their text still */
    size_t most;  /* less once bytes ran out: what is kept is always the first so many of all that were
                     added */
    size_t bytes_most;
    bool finishing;
    size_t unsorted; /* then so many in front are a heap still */
    size_t bytes;
    bool cut;
};

static int order_documents(const struct find_sort *sort, const struct sort_key *a, struct slice id_a,
                           const struct sort_key *b, struct slice id_b)
{
    work_charge(sort->work, COMPARE_WORK);
    int by_keys = sort_keys_compare(sort->order, sort->work, a, b);
    return by_keys ? by_keys : slice_compare(id_a, id_b);
}

static struct slice id_of(const struct kept *kept)
{
    return slice_of(kept->id, kept->id_length);
}

static int order_kept(const struct find_sort *sort, const struct kept *a, const struct kept *b)
{
    return order_documents(sort, a->keys, id_of(a), b->keys, id_of(b));
}

static void count_bytes(struct find_sort *sort, struct kept *kept, size_t bytes)
{
    sort->bytes += bytes - kept->bytes;
    *sort->all_bytes += bytes - kept->bytes;
    kept->bytes = bytes;
}

static void drop_text(struct find_sort *sort, struct kept *kept)
{
    if (!kept->text)
        return;
    count_bytes(sort, kept, kept->bytes - kept->length);
    sort->texts--;
    free(kept->text);
    kept->text = NULL;
}

static void kept_free(struct find_sort *sort, struct kept *kept)
{
    drop_text(sort, kept);
    count_bytes(sort, kept, 0);
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

static struct kept *kept_create(const struct sort_order *order, struct slice id, const struct sort_key *keys,
                                struct slice full)
{
    const size_t keys_size = order->count * sizeof *keys;
    size_t size = sizeof(struct kept) + keys_size + id.length;
    for (size_t i = 0; i < order->count; i++)
        size += keys[i].bytes.length;
    struct kept *kept = memory_zeroed(1, size);
    kept->text = memory_copy(full.data, full.length);
    kept->length = full.length;
    kept->id = (char *)kept->keys + keys_size;
    kept->id_length = id.length;
    memcpy(kept->id, id.data, id.length);
    char *to = kept->id + id.length;
    for (size_t i = 0; i < order->count; i++) {
        kept->keys[i] = keys[i];
        memcpy(to, keys[i].bytes.data, keys[i].bytes.length);
        kept->keys[i].bytes.data = to;
        to += keys[i].bytes.length;
    }
    kept->bytes = size + full.length;
    return kept;
}

static void keep_document(struct find_sort *sort, struct slice id, const struct sort_key *keys,
                          struct slice full)
{
    struct kept *kept = kept_create(sort->order, id, keys, full);
    work_charge(sort->work, KEPT_WORK + FIRST_WRITES * work_bytes(kept->bytes));
    sort->bytes += kept->bytes;
    *sort->all_bytes += kept->bytes;
    sort->texts++;
    sort->kept = memory_resize(sort->kept, sort->count + 1, sizeof *sort->kept);
    sort->kept[sort->count++] = kept;
    sift_up(sort, sort->count - 1);
}

static bool is_too_much(const struct find_sort *sort)
{
    return sort->bytes > sort->bytes_most || *sort->all_bytes > ALL_SORT_BYTES;
}

struct find_sort *find_sort_create(const struct sort_order *order, struct work *work, size_t keep,
                                   size_t bytes, size_t *all_bytes)
{
    struct find_sort *sort = memory_zeroed(1, sizeof *sort);
    sort->order = order;
    sort->work = work;
    sort->most = keep;
    sort->bytes_most = bytes;
    sort->all_bytes = all_bytes;
    return sort;
}

void find_sort_after(struct find_sort *sort, const struct sort_key *keys, struct slice id)
{
    sort->after = keys;
    sort->after_id = id;
}

void find_sort_add(struct find_sort *sort, struct slice id, const struct sort_key *keys, struct slice full)
{
    if (sort->after && order_documents(sort, keys, id, sort->after, sort->after_id) <= 0)
        return;
    if (sort->count >= sort->most) {
        sort->cut = true;
        if (!sort->count || order_documents(sort, keys, id, sort->kept[0]->keys, id_of(sort->kept[0])) > 0)
            return;
    }
    keep_document(sort, id, keys, full);
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

void find_sort_given(struct find_sort *sort)
{
    if (sort->next)
        drop_text(sort, sort->kept[sort->next - 1]);
}

bool find_sort_next(struct find_sort *sort, struct find_sorted *out)
{
    find_sort_given(sort);
    if (sort->next == sort->count)
        return false;
    if (sort->next > 1) { /* all at once would take its time */
        kept_free(sort, sort->kept[sort->next - 2]);
        sort->kept[sort->next - 2] = NULL;
    }
    work_charge(sort->work, KEPT_WORK);
    const struct kept *kept = sort->kept[sort->next++];
    *out = (struct find_sorted){slice_of(kept->text, kept->length), id_of(kept), kept->keys};
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

size_t find_sort_documents(const struct find_sort *sort)
{
    return sort->texts;
}

void find_sort_free(struct find_sort **slot)
{
    struct find_sort *sort = *slot;
    if (!sort)
        return;
    while (sort->count)
        if (sort->kept[--sort->count])
            kept_free(sort, sort->kept[sort->count]);
    free(sort->kept);
    free(sort);
    *slot = NULL;
}
