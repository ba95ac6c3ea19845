#include "shared/json/compare.h"
#include "shared/json/query_parts.h"

/* How much a bound narrows the candidates. */
enum usefulness { NOTHING, HALF_OPEN, RANGE, EQUALITY };

static enum usefulness usefulness_of(const struct json_query_bounds *bounds)
{
    if (bounds->equal)
        return EQUALITY;
    return (enum usefulness)((bounds->lower.json != NULL) + (bounds->upper.json != NULL));
}

/* Takes a list of scalars; null does not count, because documents without the field match it too. */
static void take_equal(const struct json_query *query, const struct query_node *in,
                       struct json_query_bounds *bounds)
{
    static const struct json_value none;
    if (in->sorted_count < in->value_count || (bounds->equal && bounds->equal_count <= in->value_count))
        return;
    if (in->value_count > 0 && json_type(query->values[in->values]) == JSON_NULL)
        return;
    bounds->equal = in->value_count > 0 ? query->values + in->values : &none;
    bounds->equal_count = in->value_count;
}

static void take_lower(struct json_value operand, struct json_query_bounds *bounds)
{
    if (!bounds->lower.json || json_order(operand, bounds->lower) > 0)
        bounds->lower = operand;
}

static void take_upper(struct json_value operand, struct json_query_bounds *bounds)
{
    if (!bounds->upper.json || json_order(operand, bounds->upper) < 0)
        bounds->upper = operand;
}

/* The conditions of one QUERY_FIELD hold for one and the same value, so their bounds may be taken
 * together. */
static struct json_query_bounds bounds_of_field(const struct json_query *query,
                                                const struct query_node *field)
{
    struct json_query_bounds bounds = {0};
    for (uint32_t at = field->child; at; at = query->nodes[at].sibling) {
        const struct query_node *node = &query->nodes[at];
        if (node->kind == QUERY_IN)
            take_equal(query, node, &bounds);
        else if (node->kind == QUERY_GREATER || node->kind == QUERY_GREATER_EQUAL)
            take_lower(query->values[node->values], &bounds);
        else if (node->kind == QUERY_LESS || node->kind == QUERY_LESS_EQUAL)
            take_upper(query->values[node->values], &bounds);
    }
    /* Between a number and a string nothing lies; one side says enough. */
    if (bounds.lower.json && bounds.upper.json && json_type(bounds.lower) != json_type(bounds.upper))
        bounds.upper = (struct json_value){NULL, 0};
    return bounds;
}

/* Two fields under $and may hold for different elements of an array: the better one is taken, not both. */
static void best_of_all(const struct json_query *query, const struct query_node *all, struct slice field,
                        struct json_query_bounds *best)
{
    for (uint32_t at = all->child; at; at = query->nodes[at].sibling) {
        const struct query_node *node = &query->nodes[at];
        if (node->kind == QUERY_ALL)
            best_of_all(query, node, field, best);
        if (node->kind != QUERY_FIELD || !slice_equal(node->path, field))
            continue;
        struct json_query_bounds bounds = bounds_of_field(query, node);
        if (usefulness_of(&bounds) > usefulness_of(best))
            *best = bounds;
    }
}

bool json_query_bounds(const struct json_query *query, struct slice field, struct json_query_bounds *out)
{
    *out = (struct json_query_bounds){0};
    best_of_all(query, query->nodes, field, out);
    return usefulness_of(out) != NOTHING;
}
