#include "shared/json/query_parts.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/json/characters.h"
#include "shared/json/compare.h"

struct compiler {
    struct json_query *query;
    char *message;
};

enum { KEY_SHOWN = 80 }; /* bytes of a key in a message */

/* The key as it was written, cut at a character's border. */
static struct slice shown_key(struct json_value key)
{
    struct slice raw = json_string_raw(key);
    if (raw.length > KEY_SHOWN) {
        raw.length = KEY_SHOWN;
        while (raw.length > 0 && (raw.data[raw.length] & 0xC0) == 0x80)
            raw.length--;
    }
    return raw;
}

static bool query_refuse(const struct compiler *compiler, struct json_value key, const char *what)
{
    struct slice shown = shown_key(key);
    snprintf(compiler->message, JSON_QUERY_MESSAGE, "\"%.*s\": %.100s", (int)shown.length, shown.data, what);
    return false;
}

static bool refuse_type(const struct compiler *compiler, struct json_value key, const char *expected,
                        struct json_value found)
{
    char what[JSON_QUERY_MESSAGE];
    snprintf(what, sizeof(what), "expected %s, not %s", expected, json_type_name(json_type(found)));
    return query_refuse(compiler, key, what);
}

static bool spend_compiling(const struct compiler *compiler, struct json_value key, uint32_t count)
{
    if (count > JSON_QUERY_NODES - compiler->query->spent)
        return query_refuse(compiler, key, "the query has too many conditions and values");
    compiler->query->spent += count;
    return true;
}

/* Numbers of any length are compared digit by digit, and those of a list many times. */
static bool spend_number(const struct compiler *compiler, struct json_value key, struct json_value value)
{
    if (json_type(value) != JSON_NUMBER)
        return true;
    if (json_text(value).length > JSON_QUERY_NUMBERS - compiler->query->number_bytes)
        return query_refuse(compiler, key, "the numbers in the query's lists are too long");
    compiler->query->number_bytes += (uint32_t)json_text(value).length;
    return true;
}

/* Doubles an array that is full. */
static void *grown_list(void *array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity ? *capacity * 2 : 8;
    return memory_resize(array, *capacity, size);
}

static uint32_t add_node(struct json_query *query, uint32_t parent, enum query_kind kind)
{
    query->nodes = grown_list(query->nodes, query->node_count, &query->node_capacity, sizeof(*query->nodes));
    uint32_t index = query->node_count++;
    query->nodes[index] = (struct query_node){.kind = kind};
    if (index > 0) {
        query->nodes[index].sibling = query->nodes[parent].child;
        query->nodes[parent].child = index;
        if (kind >= QUERY_IN)
            query->nodes[parent].about_values = true;
    }
    return index;
}

static void add_value(struct json_query *query, uint32_t node, struct json_value value)
{
    query->values =
        grown_list(query->values, query->value_count, &query->value_capacity, sizeof(*query->values));
    if (query->nodes[node].value_count++ == 0)
        query->nodes[node].values = query->value_count;
    query->values[query->value_count++] = value;
}

/* A path with more steps than a document can have levels matches nothing, and costs memory. */
static bool add_path(const struct compiler *compiler, uint32_t node, struct json_value key)
{
    struct json_query *query = compiler->query;
    struct slice path = json_string(key, &query->names);
    query->nodes[node].path = path;
    query->nodes[node].steps = query->step_count;
    while (path.data) {
        if (query->nodes[node].step_count == JSON_PATH_STEPS)
            return query_refuse(compiler, key, "the path has too many steps");
        query->steps =
            grown_list(query->steps, query->step_count, &query->step_capacity, sizeof(*query->steps));
        query->steps[query->step_count++] = json_path_take_step(&path);
        query->nodes[node].step_count++;
    }
    return true;
}

static bool is_operator(struct json_value key)
{
    struct json_characters characters = json_characters_of(key);
    return json_characters_next(&characters) == '$';
}

static bool has_operators(struct json_value object)
{
    for (struct json_iterator i = json_begin(object); json_step(&i);)
        if (i.object && is_operator(i.key))
            return true;
    return false;
}

static int scalars_in_order(const void *left, const void *right)
{
    const struct json_value *a = left;
    const struct json_value *b = right;
    return json_order(*a, *b);
}

/* The order puts arrays and objects last; they are not found by it, because equal ones may be written
 * differently. */
static void sort_values(struct json_query *query, uint32_t node)
{
    struct query_node *in = &query->nodes[node];
    if (in->value_count > 1)
        qsort(query->values + in->values, in->value_count, sizeof(*query->values), scalars_in_order);
    while (in->sorted_count < in->value_count &&
           json_type(query->values[in->values + in->sorted_count]) <= JSON_STRING)
        in->sorted_count++;
}

static bool add_equal(const struct compiler *compiler, uint32_t parent, struct json_value key,
                      struct json_value value)
{
    if (!spend_compiling(compiler, key, 1))
        return false;
    uint32_t node = add_node(compiler->query, parent, QUERY_IN);
    add_value(compiler->query, node, value);
    sort_values(compiler->query, node);
    return true;
}

static bool add_list(const struct compiler *compiler, uint32_t parent, struct json_value key,
                     struct json_value list)
{
    if (json_type(list) != JSON_ARRAY)
        return refuse_type(compiler, key, "an array", list);
    if (!spend_compiling(compiler, key, 1) || !spend_compiling(compiler, key, json_count(list)))
        return false;
    uint32_t node = add_node(compiler->query, parent, QUERY_IN);
    for (struct json_iterator i = json_begin(list); json_step(&i);) {
        if (!spend_number(compiler, key, i.value))
            return false;
        add_value(compiler->query, node, i.value);
    }
    sort_values(compiler->query, node);
    return true;
}

static bool add_range(const struct compiler *compiler, uint32_t parent, struct json_value key,
                      struct json_value operand, enum query_kind kind)
{
    if (json_type(operand) != JSON_NUMBER && json_type(operand) != JSON_STRING)
        return refuse_type(compiler, key, "a number or a string", operand);
    if (!spend_compiling(compiler, key, 1))
        return false;
    add_value(compiler->query, add_node(compiler->query, parent, kind), operand);
    return true;
}

static bool add_exists(const struct compiler *compiler, uint32_t parent, struct json_value key,
                       struct json_value operand)
{
    bool wanted;
    if (!json_boolean(operand, &wanted))
        return refuse_type(compiler, key, "true or false", operand);
    if (!spend_compiling(compiler, key, 1))
        return false;
    add_node(compiler->query, parent, wanted ? QUERY_EXISTS : QUERY_ABSENT);
    return true;
}

static bool add_operators(const struct compiler *compiler, uint32_t parent, struct json_value operators);

static bool add_operator(const struct compiler *compiler, uint32_t parent, struct json_value key,
                         struct json_value operand)
{
    struct json_query *query = compiler->query;
    if (json_string_is(key, SLICE("$eq")))
        return add_equal(compiler, parent, key, operand);
    if (json_string_is(key, SLICE("$ne")))
        return add_equal(compiler, add_node(query, parent, QUERY_NEGATED), key, operand);
    if (json_string_is(key, SLICE("$in")))
        return add_list(compiler, parent, key, operand);
    if (json_string_is(key, SLICE("$nin")))
        return add_list(compiler, add_node(query, parent, QUERY_NEGATED), key, operand);
    if (json_string_is(key, SLICE("$gt")))
        return add_range(compiler, parent, key, operand, QUERY_GREATER);
    if (json_string_is(key, SLICE("$gte")))
        return add_range(compiler, parent, key, operand, QUERY_GREATER_EQUAL);
    if (json_string_is(key, SLICE("$lt")))
        return add_range(compiler, parent, key, operand, QUERY_LESS);
    if (json_string_is(key, SLICE("$lte")))
        return add_range(compiler, parent, key, operand, QUERY_LESS_EQUAL);
    if (json_string_is(key, SLICE("$exists")))
        return add_exists(compiler, parent, key, operand);
    if (json_string_is(key, SLICE("$not"))) {
        if (!has_operators(operand))
            return refuse_type(compiler, key, "an object of operators", operand);
        return spend_compiling(compiler, key, 1) &&
               add_operators(compiler, add_node(query, parent, QUERY_NEGATED), operand);
    }
    return query_refuse(compiler, key, is_operator(key) ? "unknown operator" : "a field beside operators");
}

static bool add_operators(const struct compiler *compiler, uint32_t parent, struct json_value operators)
{
    for (struct json_iterator i = json_begin(operators); json_step(&i);)
        if (!add_operator(compiler, parent, i.key, i.value))
            return false;
    return true;
}

/* An operator deep in a value would silently be compared as a key. $eq takes such values. */
static bool check_literal(const struct compiler *compiler, struct json_value value)
{
    for (struct json_iterator i = json_begin(value); json_step(&i);) {
        if (i.object && is_operator(i.key))
            return query_refuse(compiler, i.key, "an operator within a value (use a dotted path, or $eq)");
        if (!check_literal(compiler, i.value))
            return false;
    }
    return true;
}

static bool add_field(const struct compiler *compiler, uint32_t parent, struct json_value key,
                      struct json_value value)
{
    uint32_t node = add_node(compiler->query, parent, QUERY_FIELD);
    if (!spend_compiling(compiler, key, 1) || !add_path(compiler, node, key))
        return false;
    if (json_type(value) == JSON_OBJECT && has_operators(value))
        return add_operators(compiler, node, value);
    return check_literal(compiler, value) && add_equal(compiler, node, key, value);
}

static bool add_conditions(const struct compiler *compiler, uint32_t parent, struct json_value conditions);

static bool add_alternatives(const struct compiler *compiler, uint32_t parent, struct json_value key,
                             struct json_value list, enum query_kind kind)
{
    if (json_type(list) != JSON_ARRAY || json_count(list) == 0)
        return query_refuse(compiler, key, "expected an array of one or more queries");
    uint32_t node = add_node(compiler->query, parent, kind);
    for (struct json_iterator i = json_begin(list); json_step(&i);) {
        if (json_type(i.value) != JSON_OBJECT)
            return refuse_type(compiler, key, "queries (objects)", i.value);
        if (!spend_compiling(compiler, key, 1) ||
            !add_conditions(compiler, add_node(compiler->query, node, QUERY_ALL), i.value))
            return false;
    }
    return true;
}

static bool add_condition(const struct compiler *compiler, uint32_t parent, struct json_value key,
                          struct json_value value)
{
    if (!is_operator(key))
        return add_field(compiler, parent, key, value);
    if (json_string_is(key, SLICE("$and")))
        return add_alternatives(compiler, parent, key, value, QUERY_ALL);
    if (json_string_is(key, SLICE("$or")))
        return add_alternatives(compiler, parent, key, value, QUERY_ANY);
    if (json_string_is(key, SLICE("$not"))) {
        if (json_type(value) != JSON_OBJECT)
            return refuse_type(compiler, key, "a query (an object)", value);
        return spend_compiling(compiler, key, 1) &&
               add_conditions(compiler, add_node(compiler->query, parent, QUERY_NOT), value);
    }
    return query_refuse(compiler, key, "unknown operator, or one that belongs after a field");
}

static bool add_conditions(const struct compiler *compiler, uint32_t parent, struct json_value conditions)
{
    for (struct json_iterator i = json_begin(conditions); json_step(&i);)
        if (!add_condition(compiler, parent, i.key, i.value))
            return false;
    return true;
}

struct json_query *json_query_compile(struct json_value query, char message[JSON_QUERY_MESSAGE])
{
    if (json_type(query) != JSON_OBJECT) {
        snprintf(message, JSON_QUERY_MESSAGE, "expected an object, not %s", json_type_name(json_type(query)));
        return NULL;
    }
    if (query.json->nodes[query.index].next - query.index > JSON_QUERY_VALUES) {
        snprintf(message, JSON_QUERY_MESSAGE, "too many keys and values, there may be %d", JSON_QUERY_VALUES);
        return NULL;
    }
    struct json_query *compiled = memory_zeroed(1, sizeof(*compiled));
    buffer_append_slice(&compiled->text, json_text(query));
    json_take_out(&compiled->json, compiled->text.data, query);
    /* Unescaped paths are never longer than the text: with this room they stay where they are. */
    (void)buffer_reserve(&compiled->names, compiled->text.length);
    struct compiler compiler = {compiled, message};
    if (!add_conditions(&compiler, add_node(compiled, 0, QUERY_ALL), json_root(&compiled->json))) {
        json_query_free(compiled);
        return NULL;
    }
    return compiled;
}

void json_query_free(struct json_query *query)
{
    if (!query)
        return;
    buffer_free(&query->text);
    buffer_free(&query->names);
    json_free(&query->json);
    free(query->nodes);
    free(query->values);
    free(query->steps);
    free(query);
}

void json_query_append_text(struct buffer *out, const struct json_query *query)
{
    json_append_compact(out, json_root(&query->json));
}
