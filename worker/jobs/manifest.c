#include "worker/jobs/manifest.h"

#include <stdlib.h>

#include "shared/memory.h"
#include "worker/rpc/params.h"

static int by_id(const void *a, const void *b)
{
    const struct manifest_entry *left = a, *right = b;
    return slice_compare(left->id, right->id);
}

static bool read_entry(struct transaction *transaction, const struct json_iterator *each,
                       struct buffer *memory, struct manifest_entry *entry)
{
    size_t start = memory->length;
    struct slice id = json_string(each->key, memory);
    if (memory->length == start) /* had no escapes: it points into the message */
        buffer_append_slice(memory, id);
    entry->id = slice_of(memory->data + start, memory->length - start);
    if (!params_id_valid(entry->id)) {
        transaction_fail(transaction, ERROR_INVALID, "manifest: a key is no id of a document");
        return false;
    }
    if (!json_integer(each->value, &entry->version) || entry->version < 0) {
        transaction_fail(transaction, ERROR_INVALID, "manifest.%.*s: expected a version, found %s",
                         (int)entry->id.length, entry->id.data, json_type_name(json_type(each->value)));
        return false;
    }
    return true;
}

bool manifest_read(struct transaction *transaction, struct json_value value, struct manifest *manifest)
{
    if (json_type(value) != JSON_OBJECT) {
        transaction_fail(transaction, ERROR_INVALID, "manifest: expected {id: version, ...}, found %s",
                         json_type_name(json_type(value)));
        return false;
    }
    buffer_reserve(&manifest->memory, json_text(value).length); /* all ids fit: nothing moves */
    manifest->entries = memory_zeroed(json_count(value), sizeof *manifest->entries);
    struct json_iterator each = json_begin(value);
    bool sorted = true; /* as a client that sends ranges has it anyway */
    while (json_step(&each)) {
        struct manifest_entry *entry = &manifest->entries[manifest->count++];
        if (!read_entry(transaction, &each, &manifest->memory, entry))
            return false;
        sorted = sorted && (manifest->count == 1 || slice_compare(entry[-1].id, entry->id) < 0);
    }
    if (!sorted)
        qsort(manifest->entries, manifest->count, sizeof *manifest->entries, by_id);
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
    if (!manifest->count)
        return true;
    return (!manifest->from.data || slice_compare(manifest->entries[0].id, manifest->from) >= 0) &&
           (!manifest->to.data || slice_compare(manifest->entries[manifest->count - 1].id, manifest->to) < 0);
}

size_t manifest_bytes(const struct manifest *manifest)
{
    return manifest->count * sizeof *manifest->entries + manifest->memory.capacity +
           manifest->bounds.capacity;
}

void manifest_free(struct manifest *manifest)
{
    free(manifest->entries);
    buffer_free(&manifest->memory);
    buffer_free(&manifest->bounds);
    *manifest = (struct manifest){0};
}
