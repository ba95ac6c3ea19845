#include "worker/methods/projection.h"

#include <stdlib.h>

#include "shared/memory.h"

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
    return true;
}

static bool named(const struct projection *projection, struct json_value key)
{
    for (size_t i = 0; i < projection->count; i++)
        if (json_string_is(key, projection->fields[i]))
            return true;
    return false;
}

void projection_append(struct buffer *out, const struct projection *projection, struct json_value document,
                       struct slice full)
{
    if (!projection->count) {
        buffer_append_slice(out, full);
        return;
    }
    struct json_iterator each = json_begin(document);
    bool first = true;
    buffer_append_byte(out, '{');
    while (json_step(&each)) {
        if (!named(projection, each.key))
            continue;
        if (!first)
            buffer_append_byte(out, ',');
        first = false;
        buffer_append_slice(out, json_text(each.key));
        buffer_append_byte(out, ':');
        buffer_append_slice(out, json_text(each.value));
    }
    buffer_append_byte(out, '}');
}

void projection_free(struct projection *projection)
{
    for (size_t i = 0; i < projection->count; i++)
        free((char *)projection->fields[i].data);
    free(projection->fields);
    *projection = (struct projection){0};
}
