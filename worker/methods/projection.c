#include "worker/methods/projection.h"

#include <stdlib.h>

#include "shared/base/memory.h"

struct projection_path {
    char *text; /* owned */
    struct json_path_step *steps;
    uint32_t *ranks; /* of the steps: their names, which may be long, are compared only once */
    uint32_t count;
};

struct ranked_step {
    struct slice name;
    uint32_t *rank;
};

/* An object or array that is open, and which of the fields go on in it: those from ->first up to the next
 * place's, in the order of their next steps. */
struct projected_place {
    uint32_t next, end; /* nodes */
    uint32_t position;  /* of the next element */
    uint32_t first, count;
    bool object;
    bool empty; /* nothing was written into it */
};

/* ---- what is asked for ---- */

/* Short names first: to compare lengths is less than to compare bytes. */
static int order_names(struct slice a, struct slice b)
{
    if (a.length != b.length)
        return a.length < b.length ? -1 : 1;
    return slice_compare(a, b);
}

static int by_steps(const void *left, const void *right)
{
    const struct projection_path *a = left, *b = right;
    for (uint32_t i = 0; i < a->count && i < b->count; i++) {
        int by_name = order_names(a->steps[i].name, b->steps[i].name);
        if (by_name)
            return by_name;
    }
    return (a->count > b->count) - (a->count < b->count);
}

static int by_step_name(const void *left, const void *right)
{
    const struct ranked_step *a = left, *b = right;
    return order_names(a->name, b->name);
}

/* Equal names have equal ranks, and those that come first smaller ones. */
static void rank_steps(struct projection *projection)
{
    size_t count = 0, used = 0;
    for (size_t i = 0; i < projection->count; i++)
        count += projection->paths[i].count;
    struct ranked_step *all = memory_zeroed(count, sizeof *all);
    for (size_t i = 0; i < projection->count; i++) {
        struct projection_path *path = &projection->paths[i];
        path->ranks = memory_zeroed(path->count, sizeof *path->ranks);
        for (uint32_t j = 0; j < path->count; j++)
            all[used++] = (struct ranked_step){path->steps[j].name, &path->ranks[j]};
    }
    qsort(all, count, sizeof *all, by_step_name);
    for (size_t i = 1; i < count; i++)
        *all[i].rank = *all[i - 1].rank + (order_names(all[i - 1].name, all[i].name) != 0);
    free(all);
}

static void add_path(struct projection *projection, struct slice name)
{
    struct projection_path *path = &projection->paths[projection->count++];
    path->text = memory_copy(name.data, name.length);
    struct slice rest = slice_of(path->text, name.length);
    path->steps = memory_zeroed(json_path_count(rest), sizeof *path->steps);
    while (rest.data)
        path->steps[path->count++] = json_path_take_step(&rest);
}

static bool read_path(struct transaction *transaction, struct json_value value, struct projection *projection)
{
    struct buffer scratch = {0};
    struct slice name = json_string(value, &scratch);
    size_t count = name.data ? json_path_count(name) : 0;
    if (!name.data)
        transaction_fail(transaction, ERROR_INVALID, "fields: expected names, found %s",
                         json_type_name(json_type(value)));
    else if (count > JSON_PATH_STEPS)
        transaction_fail(transaction, ERROR_INVALID, "fields: expected paths of at most %d steps, found %zu",
                         JSON_PATH_STEPS, count);
    else
        add_path(projection, name);
    buffer_free(&scratch);
    return name.data && count <= JSON_PATH_STEPS;
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
    projection->paths = memory_zeroed(json_count(fields) + 2, sizeof *projection->paths);
    add_path(projection, SLICE("_id"));
    add_path(projection, SLICE("_version"));
    struct json_iterator each = json_begin(fields);
    while (json_step(&each))
        if (!read_path(transaction, each.value, projection))
            return false;
    qsort(projection->paths, projection->count, sizeof *projection->paths, by_steps);
    rank_steps(projection);
    projection->places = memory_zeroed(JSON_DEPTH_LIMIT, sizeof *projection->places);
    return true;
}

/* ---- the fields that go on in a place ---- */

static const struct json_path_step *step_of(const struct projection *projection, struct projected_field field)
{
    return &projection->paths[field.field].steps[field.step];
}

static uint32_t rank_of(const struct projection *projection, struct projected_field field)
{
    return projection->paths[field.field].ranks[field.step];
}

static bool is_at_end(const struct projection *projection, struct projected_field field)
{
    return field.step == projection->paths[field.field].count;
}

/* Into its place among those from @first on; mostly that is the last. */
static void add_field(struct projection *projection, size_t first, uint32_t field, uint32_t step)
{
    if (projection->field_count == projection->field_capacity) {
        projection->field_capacity = projection->field_capacity ? projection->field_capacity * 2 : 128;
        projection->fields =
            memory_resize(projection->fields, projection->field_capacity, sizeof *projection->fields);
    }
    const struct projected_field new = {field, step};
    size_t at = projection->field_count++;
    while (at > first && !is_at_end(projection, new) && !is_at_end(projection, projection->fields[at - 1]) &&
           rank_of(projection, projection->fields[at - 1]) > rank_of(projection, new)) {
        projection->fields[at] = projection->fields[at - 1];
        at--;
    }
    projection->fields[at] = new;
}

/* The first of the place's fields whose next step is not before @name. */
static size_t first_of_name(const struct projection *projection, const struct projected_place *place,
                            struct slice name)
{
    size_t low = place->first, high = low + place->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (order_names(step_of(projection, projection->fields[middle])->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Adds those that a member goes on with. */
static void add_of_member(struct projection *projection, const struct projected_place *place,
                          struct json_value key)
{
    const size_t end = place->first + place->count, first = projection->field_count;
    buffer_clear(&projection->scratch);
    struct slice name = json_string(key, &projection->scratch);
    const size_t found = first_of_name(projection, place, name);
    if (found == end || !slice_equal(step_of(projection, projection->fields[found])->name, name))
        return;
    const uint32_t rank = rank_of(projection, projection->fields[found]);
    for (size_t at = found; at < end && rank_of(projection, projection->fields[at]) == rank; at++) {
        const struct projected_field field = projection->fields[at];
        add_field(projection, first, field.field, field.step + 1);
    }
}

/* Adds those that an element goes on with. */
static void add_of_element(struct projection *projection, const struct projected_place *place,
                           uint32_t position, bool container)
{
    const size_t end = place->first + place->count, first = projection->field_count;
    for (size_t at = place->first; at < end; at++) {
        const struct projected_field field = projection->fields[at];
        const uint32_t wanted = step_of(projection, field)->position;
        if (wanted == position)
            add_field(projection, first, field.field, field.step + 1);
        else if (wanted == UINT32_MAX && container)
            add_field(projection, first, field.field, field.step);
    }
}

/* ---- one document ---- */

static void open_place(struct projection *projection, struct buffer *out, struct json_value container,
                       size_t first)
{
    const bool object = json_type(container) == JSON_OBJECT;
    projection->places[projection->depth++] =
        (struct projected_place){.next = container.index + 1,
                                 .end = container.json->nodes[container.index].next,
                                 .first = (uint32_t)first,
                                 .count = (uint32_t)(projection->field_count - first),
                                 .object = object,
                                 .empty = true};
    buffer_append_byte(out, object ? '{' : '[');
}

void projection_begin(struct projection *projection, struct buffer *out, struct json_value document)
{
    projection->depth = 0;
    projection->field_count = 0;
    for (size_t i = 0; i < projection->count; i++)
        add_field(projection, 0, (uint32_t)i, 0);
    open_place(projection, out, document, 0);
}

/* What is wanted of a value: the fields from @first on say. */
static void write_value(struct projection *projection, struct buffer *out, struct json_value key,
                        struct json_value value, size_t first, struct json_units *units)
{
    bool whole = false;
    for (size_t i = first; i < projection->field_count; i++)
        whole |= is_at_end(projection, projection->fields[i]);
    const bool any = projection->field_count > first;
    const bool wanted = any && (whole || json_type(value) >= JSON_ARRAY);
    if (wanted) {
        struct projected_place *place = &projection->places[projection->depth - 1];
        if (!place->empty)
            buffer_append_byte(out, ',');
        place->empty = false;
        if (key.json) {
            buffer_append_slice(out, json_text(key));
            buffer_append_byte(out, ':');
        }
        json_units_spend(units, (json_text(key).length + (whole ? json_text(value).length : 0)) / 64);
    }
    if (wanted && !whole) {
        open_place(projection, out, value, first);
        return;
    }
    if (wanted)
        buffer_append_slice(out, json_text(value));
    projection->field_count = first;
}

/* The next member or element of the innermost place. */
static void next_value(struct projection *projection, struct buffer *out, struct json_value document,
                       struct json_units *units)
{
    const struct json_node *nodes = document.json->nodes;
    struct projected_place *place = &projection->places[projection->depth - 1];
    const size_t first = projection->field_count;
    struct json_value key = {0}, value = {document.json, place->next};
    if (place->object) {
        key = value;
        value.index++;
        add_of_member(projection, place, key);
        json_units_spend(units, 2 + json_text(key).length / 64);
    } else {
        add_of_element(projection, place, place->position++, json_type(value) >= JSON_ARRAY);
        json_units_spend(units, 1 + place->count / 4);
    }
    place->next = nodes[value.index].next;
    json_units_spend(units, (projection->field_count - first) / 2);
    write_value(projection, out, key, value, first, units);
}

bool projection_go_on(struct projection *projection, struct buffer *out, struct json_value document,
                      struct json_units *units)
{
    while (projection->depth) {
        const struct projected_place *place = &projection->places[projection->depth - 1];
        if (!units->left)
            return false;
        if (place->next < place->end) {
            next_value(projection, out, document, units);
            continue;
        }
        json_units_spend(units, 1);
        buffer_append_byte(out, place->object ? '}' : ']');
        projection->field_count = place->first;
        projection->depth--;
    }
    return true;
}

void projection_free(struct projection *projection)
{
    for (size_t i = 0; i < projection->count; i++) {
        free(projection->paths[i].text);
        free(projection->paths[i].steps);
        free(projection->paths[i].ranks);
    }
    free(projection->paths);
    free(projection->places);
    free(projection->fields);
    buffer_free(&projection->scratch);
    *projection = (struct projection){0};
}
