#include "worker/methods/manifest.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "worker/rpc/params.h"

/* Units for an entry: it is read; it is moved to its place in the order. */
enum { READ_WORK = 4, ENTRY_WORK = 2 };

/* The id in the manifest's own copy of the text, over the text that it was written as. */
static struct slice own_id(struct manifest *manifest, struct json_value key)
{
    struct slice raw = json_text(key);
    char *own = manifest->memory.data + (raw.data - manifest->object.data) + 1;
    buffer_clear(&manifest->scratch);
    struct slice id = json_string(key, &manifest->scratch);
    if (manifest->scratch.length)
        memcpy(own, id.data, id.length);
    return slice_of(own, id.length);
}

static bool read_entry(struct transaction *transaction, struct json_value version,
                       struct manifest_entry *entry)
{
    if (!params_id_valid(entry->id)) {
        transaction_fail(transaction, ERROR_INVALID, "manifest: a key is not the id of a document");
        return false;
    }
    if (!json_integer(version, &entry->version) || entry->version < 0) {
        transaction_fail(transaction, ERROR_INVALID, "manifest.%.*s: expected a version, found %s",
                         (int)entry->id.length, entry->id.data, json_type_name(json_type(version)));
        return false;
    }
    return true;
}

static bool in_range(const struct manifest *manifest, struct slice id)
{
    return (!manifest->from.data || slice_compare(id, manifest->from) >= 0) &&
           (!manifest->to.data || slice_compare(id, manifest->to) < 0);
}

bool manifest_read(struct transaction *transaction, struct json_value value, struct manifest *manifest)
{
    if (json_type(value) != JSON_OBJECT) {
        transaction_fail(transaction, ERROR_INVALID, "manifest: expected {id: version, ...}, found %s",
                         json_type_name(json_type(value)));
        return false;
    }
    manifest->object = json_text(value);
    manifest->each = json_begin(value);
    buffer_append_slice(&manifest->memory, manifest->object);
    manifest->room = json_count(value);
    manifest->entries = memory_zeroed(manifest->room, sizeof *manifest->entries);
    work_charge(&transaction->worker->work, work_bytes(manifest->object.length) + json_count(value) / 2);
    return true;
}

/* False: answered. */
static bool read_next(struct transaction *transaction, struct manifest *manifest)
{
    struct manifest_entry *entry = &manifest->entries[manifest->count++];
    entry->id = own_id(manifest, manifest->each.key);
    if (!read_entry(transaction, manifest->each.value, entry))
        return false;
    manifest->outside = manifest->outside || !in_range(manifest, entry->id);
    if (manifest->sorted == manifest->count - 1 &&
        (manifest->count == 1 || slice_compare(entry[-1].id, entry->id) < 0))
        manifest->sorted++;
    return true;
}

enum manifest_read manifest_read_some(struct transaction *transaction, struct manifest *manifest,
                                      uint64_t most)
{
    struct work *work = &transaction->worker->work; /* the transaction may end here */
    while (work->used < most) {
        if (!json_step(&manifest->each)) {
            buffer_free(&manifest->scratch);
            return MANIFEST_READ;
        }
        work_charge(work, READ_WORK + work_bytes(json_text(manifest->each.key).length));
        if (!read_next(transaction, manifest))
            return MANIFEST_REFUSED;
    }
    return MANIFEST_MORE;
}

enum { MERGED_AT_ONCE = 512 };

static size_t least_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Goes on with merging two sorted runs of ->width entries into one. */
static void merge_some(struct manifest *manifest)
{
    const struct manifest_entry *from = manifest->entries;
    size_t middle = least_size(manifest->run + manifest->width, manifest->count);
    size_t end = least_size(middle + manifest->width, manifest->count);
    size_t stop = least_size(manifest->merged + MERGED_AT_ONCE, end);
    while (manifest->merged < stop) {
        size_t left = manifest->left, right = middle + manifest->merged - left;
        bool take_left = left < middle && (right == end || slice_compare(from[left].id, from[right].id) <= 0);
        manifest->spare[manifest->merged++] = from[take_left ? manifest->left++ : right];
    }
    if (stop == end)
        manifest->run = manifest->left = end;
}

/* What was merged is what is merged next, in runs of twice the width. */
static void next_round(struct manifest *manifest)
{
    struct manifest_entry *entries = manifest->spare;
    manifest->spare = manifest->entries;
    manifest->entries = entries;
    manifest->run = manifest->left = manifest->merged = 0;
    manifest->width *= 2;
}

bool manifest_sort(struct manifest *manifest, struct work *work, uint64_t most)
{
    if (manifest->sorted < manifest->count && !manifest->spare) {
        manifest->spare = memory_zeroed(manifest->count, sizeof *manifest->spare);
        manifest->width = 1;
    }
    while (manifest->sorted < manifest->count) {
        if (work->used >= most)
            return false;
        size_t before = manifest->merged;
        merge_some(manifest);
        work_charge(work, (manifest->merged - before) * ENTRY_WORK);
        if (manifest->merged == manifest->count)
            next_round(manifest);
        if (manifest->width >= manifest->count)
            manifest->sorted = manifest->count;
    }
    free(manifest->spare);
    manifest->spare = NULL;
    return true;
}

bool manifest_read_range(struct transaction *transaction, struct json_value from, struct json_value to,
                         struct manifest *manifest)
{
    struct buffer *bounds = &manifest->bounds;
    struct buffer scratch = {0};
    bool good = true;
    buffer_reserve(bounds, json_text(from).length + json_text(to).length + 2);
    if (json_type(from) > JSON_NULL &&
        (good = params_id(transaction, from, "from", &scratch, &manifest->from))) {
        buffer_append_slice(bounds, manifest->from);
        manifest->from.data = bounds->data;
    }
    buffer_clear(&scratch);
    if (good && json_type(to) > JSON_NULL &&
        (good = params_id(transaction, to, "to", &scratch, &manifest->to))) {
        buffer_append_slice(bounds, manifest->to);
        manifest->to.data = bounds->data + manifest->from.length;
    }
    buffer_free(&scratch);
    return good;
}

bool manifest_in_range(const struct manifest *manifest)
{
    return !manifest->outside;
}

size_t manifest_bytes(const struct manifest *manifest)
{
    return manifest->room * sizeof *manifest->entries + manifest->memory.capacity + manifest->bounds.capacity;
}

void manifest_free(struct manifest *manifest)
{
    free(manifest->entries);
    free(manifest->spare);
    buffer_free(&manifest->memory);
    buffer_free(&manifest->scratch);
    buffer_free(&manifest->bounds);
    *manifest = (struct manifest){0};
}
