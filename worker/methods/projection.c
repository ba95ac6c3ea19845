#include "worker/methods/projection.h"

#include <stdlib.h>

#include "shared/base/memory.h"

static int by_length(const void *a, const void *b)
{
    const struct slice *left = a, *right = b;
    if (left->length != right->length)
        return left->length < right->length ? -1 : 1;
    return slice_compare(*left, *right);
}

bool projection_read(struct transaction *transaction, struct json_value fields, struct projection *projection)
{
    if (json_type(fields) <= JSON_NULL)
        return true;
    if (json_type(fields) != JSON_ARRAY || json_count(fields) > PROJECTION_FIELDS) {
        transaction_fail(transaction, ERROR_INVALID, "fields: expected a list of up to %d names, found %s",
                         PROJECTION_FIELDS,
                         json_type(fields) == JSON_ARRAY ? "more" : json_type_name(json_type(fields)));
        return false;
    }
    projection->fields = memory_zeroed(json_count(fields) + 2, sizeof *projection->fields);
    projection->fields[projection->count++] = slice_of(memory_copy("_id", 3), 3);
    projection->fields[projection->count++] = slice_of(memory_copy("_version", 8), 8);
    struct json_iterator each = json_begin(fields);
    while (json_step(&each)) {
        struct buffer scratch = {0};
        struct slice name = json_string(each.value, &scratch);
        if (!name.data) {
            transaction_fail(transaction, ERROR_INVALID, "fields: expected names, found %s",
                             json_type_name(json_type(each.value)));
            return false;
        }
        projection->fields[projection->count++] = slice_of(memory_copy(name.data, name.length), name.length);
        buffer_free(&scratch);
    }
    qsort(projection->fields, projection->count, sizeof *projection->fields, by_length);
    return true;
}

static bool projection_has_name(struct projection *projection, struct json_value key)
{
    buffer_clear(&projection->scratch);
    struct slice name = json_string(key, &projection->scratch);
    return bsearch(&name, projection->fields, projection->count, sizeof *projection->fields, by_length);
}

uint64_t projection_append(struct buffer *out, struct projection *projection, struct json_value document,
                           struct slice full)
{
    size_t before = out->length;
    if (!projection->count) {
        buffer_append_slice(out, full);
        return WORK_NODE + work_bytes(full.length);
    }
    struct json_iterator each = json_begin(document);
    bool first = true;
    buffer_append_byte(out, '{');
    while (json_step(&each)) {
        if (!projection_has_name(projection, each.key))
            continue;
        if (!first)
            buffer_append_byte(out, ',');
        first = false;
        buffer_append_slice(out, json_text(each.key));
        buffer_append_byte(out, ':');
        buffer_append_slice(out, json_text(each.value));
    }
    buffer_append_byte(out, '}');
    return WORK_NODE + 2 * (uint64_t)json_count(document) + work_bytes(out->length - before);
}

void projection_free(struct projection *projection)
{
    for (size_t i = 0; i < projection->count; i++)
        free((char *)projection->fields[i].data);
    free(projection->fields);
    buffer_free(&projection->scratch);
    *projection = (struct projection){0};
}
