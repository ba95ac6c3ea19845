#include "shared/json/compare.h"
#include "shared/json/query_parts.h"

/* How a field's conditions are tried: with every value that its path leads to, until one holds. */
struct walk {
    const struct json_query *query;
    const struct query_node *field;
    const struct query_node
        *conditions; /* whose children about values are tried; NULL: any present value will do */
    bool arrived;    /* the path led to some value, or to an object without it */
};

static bool scalar_equal(struct json_value operand, struct json_value value)
{
    enum json_type type = json_type(operand);
    /* null also matches an absent field. */
    if (type == JSON_NULL)
        return json_type(value) <= JSON_NULL;
    return type == json_type(value) && json_order(operand, value) == 0;
}

static bool in_sorted(const struct json_value *operands, uint32_t count, struct json_value value)
{
    uint32_t low = 0;
    uint32_t high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = json_order(operands[middle], value);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    /* null comes first in the order, and matches an absent field too. */
    return !value.json && count > 0 && json_type(operands[0]) == JSON_NULL;
}

static bool in_operands(const struct json_query *query, const struct query_node *node,
                        struct json_value value)
{
    if (node->value_count == 0)
        return false;
    const struct json_value *operands = query->values + node->values;
    if (json_type(value) <= JSON_STRING)
        return node->sorted_count == 1 ? scalar_equal(operands[0], value)
                                       : in_sorted(operands, node->sorted_count, value);
    for (uint32_t i = node->sorted_count; i < node->value_count; i++)
        if (json_equal(operands[i], value))
            return true;
    return false;
}

static bool value_holds(const struct json_query *query, const struct query_node *node,
                        struct json_value value)
{
    if (node->kind == QUERY_IN)
        return in_operands(query, node, value);
    struct json_value operand = query->values[node->values];
    if (json_type(value) != json_type(operand))
        return false;
    int order = json_order(value, operand);
    switch (node->kind) {
    case QUERY_GREATER:
        return order > 0;
    case QUERY_GREATER_EQUAL:
        return order >= 0;
    case QUERY_LESS:
        return order < 0;
    case QUERY_LESS_EQUAL:
        return order <= 0;
    case QUERY_ALL:
    case QUERY_ANY:
    case QUERY_NOT:
    case QUERY_FIELD:
    case QUERY_EXISTS:
    case QUERY_ABSENT:
    case QUERY_NEGATED:
    case QUERY_IN:
        break;
    }
    return false;
}

static bool all_hold(const struct walk *walk, struct json_value value)
{
    const struct query_node *nodes = walk->query->nodes;
    for (uint32_t at = walk->conditions->child; at; at = nodes[at].sibling)
        if (nodes[at].kind >= QUERY_IN && !value_holds(walk->query, &nodes[at], value))
            return false;
    return true;
}

/* The end of the path: the value, or one of its elements, must satisfy all conditions. */
static bool try_value(struct walk *walk, struct json_value value)
{
    walk->arrived = true;
    if (!walk->conditions)
        return value.json != NULL;
    if (all_hold(walk, value))
        return true;
    if (json_type(value) == JSON_ARRAY)
        for (struct json_iterator i = json_begin(value); json_step(&i);)
            if (all_hold(walk, i.value))
                return true;
    return false;
}

/*
 * Follows the path from its step @step on. A number steps into an array; any other name goes on in each
 * element that is an object. There is one way to each value, so the cost is bounded by the document's size.
 */
static bool follow(struct walk *walk, struct json_value value, uint32_t step)
{
    const struct query_step *steps = walk->query->steps + walk->field->steps;
    while (step < walk->field->step_count && json_type(value) == JSON_OBJECT)
        value = json_member(value, steps[step++].name);
    if (step == walk->field->step_count)
        return try_value(walk, value);
    if (json_type(value) != JSON_ARRAY)
        return try_value(walk, (struct json_value){NULL, 0});

    uint32_t position = 0;
    for (struct json_iterator i = json_begin(value); json_step(&i); position++) {
        if (steps[step].position == position)
            return follow(walk, i.value, step + 1);
        if (steps[step].position == UINT32_MAX && json_type(i.value) == JSON_OBJECT &&
            follow(walk, i.value, step))
            return true;
    }
    return false;
}

static bool some_value_holds(const struct json_query *query, const struct query_node *field,
                             const struct query_node *conditions, struct json_value document)
{
    struct walk walk = {query, field, conditions, false};
    if (follow(&walk, document, 0))
        return true;
    return !walk.arrived && try_value(&walk, (struct json_value){NULL, 0});
}

/* What the children of @conditions say about @field of the document. */
static bool field_holds(const struct json_query *query, const struct query_node *field,
                        const struct query_node *conditions, struct json_value document)
{
    if (conditions->about_values && !some_value_holds(query, field, conditions, document))
        return false;
    for (uint32_t at = conditions->child; at; at = query->nodes[at].sibling) {
        const struct query_node *node = &query->nodes[at];
        if (node->kind == QUERY_NEGATED && field_holds(query, field, node, document))
            return false;
        if ((node->kind == QUERY_EXISTS || node->kind == QUERY_ABSENT) &&
            some_value_holds(query, field, NULL, document) != (node->kind == QUERY_EXISTS))
            return false;
    }
    return true;
}

static bool document_holds(const struct json_query *query, const struct query_node *node,
                           struct json_value document)
{
    if (node->kind == QUERY_FIELD)
        return field_holds(query, node, node, document);
    bool any = node->kind == QUERY_ANY;
    for (uint32_t at = node->child; at; at = query->nodes[at].sibling)
        if (document_holds(query, &query->nodes[at], document) == any)
            return node->kind != QUERY_ALL;
    return node->kind == QUERY_ALL;
}

bool json_query_matches(const struct json_query *query, struct json_value document)
{
    return document_holds(query, query->nodes, document);
}
