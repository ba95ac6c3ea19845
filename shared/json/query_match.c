#include "shared/json/compare.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/json/characters.h"
#include "shared/json/query_parts.h"

/*
 * What is known of the document so far is which leaves of the query hold: a leaf is what a field's conditions
 * about values say, or whether the field is there. The tree above them is gone through anew each time, over
 * what is known. Within a leaf the walk is a stack of arrays, so it can stop at each element, and between two
 * conditions on one value.
 */

enum { UNKNOWN, FALSE, TRUE }; /* of a leaf */

enum { ABSENT_NODE = UINT32_MAX };

struct json_matching {
    const struct json_query *query;
    unsigned char *known;    /* of each node of the query: about its leaf */
    struct json_units units; /* of this step */
    /* the walk through one leaf */
    bool in_leaf;
    struct json_path_walk walk;
    const struct query_node *conditions; /* whose children about values are tried; NULL: any present value */
    bool trying;                         /* ->value, with the conditions from ->condition on */
    uint32_t value;                      /* node of the document, or ABSENT_NODE */
    uint32_t condition;
};

/* ---- values ---- */

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

/* One of the operands in the middle stands for all that the search compares with. */
static uint64_t search_units(const struct json_value *operands, uint32_t count, struct json_value value)
{
    uint64_t units = 1;
    for (uint32_t left = count; left; left /= 2)
        units += json_comparison_work(operands[left / 2], value);
    return units;
}

static bool in_operands(struct json_matching *matching, const struct query_node *node,
                        struct json_value value)
{
    if (node->value_count == 0)
        return false;
    const struct json_value *operands = matching->query->values + node->values;
    if (json_type(value) <= JSON_STRING) {
        json_units_spend(&matching->units, search_units(operands, node->sorted_count, value));
        return node->sorted_count == 1 ? scalar_equal(operands[0], value)
                                       : in_sorted(operands, node->sorted_count, value);
    }
    for (uint32_t i = node->sorted_count; i < node->value_count; i++) {
        json_units_spend(&matching->units, json_comparison_work(operands[i], value));
        if (json_equal(operands[i], value))
            return true;
    }
    return false;
}

static bool value_holds(struct json_matching *matching, const struct query_node *node,
                        struct json_value value)
{
    if (node->kind == QUERY_IN)
        return in_operands(matching, node, value);
    struct json_value operand = matching->query->values[node->values];
    json_units_spend(&matching->units, json_comparison_work(operand, value));
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

/* ---- one leaf ---- */

static void try_value(struct json_matching *matching, struct json_value value)
{
    matching->trying = true;
    matching->value = value.json ? value.index : ABSENT_NODE;
    matching->condition = matching->conditions ? matching->conditions->child : 0;
}

/* True: the value satisfies all conditions. */
static bool try_conditions(struct json_matching *matching, struct json_value document)
{
    const struct query_node *nodes = matching->query->nodes;
    struct json_value value = {matching->value == ABSENT_NODE ? NULL : document.json, matching->value};
    bool holds = matching->conditions || value.json;
    while (holds && matching->condition) {
        const struct query_node *node = &nodes[matching->condition];
        if (!matching->units.left)
            return false;
        holds = node->kind < QUERY_IN || value_holds(matching, node, value);
        matching->condition = node->sibling;
    }
    if (holds)
        return true;
    matching->trying = false;
    if (!matching->walk.element && matching->conditions && json_type(value) == JSON_ARRAY)
        json_path_enter(&matching->walk, value);
    return false;
}

static void begin_leaf(struct json_matching *matching, const struct query_node *field,
                       const struct query_node *conditions)
{
    json_path_begin(&matching->walk, matching->query->steps + field->steps, field->step_count);
    matching->conditions = conditions;
    matching->trying = false;
    matching->in_leaf = true;
}

/* Whether some value that the path leads to satisfies the conditions. */
static enum json_match walk_leaf(struct json_matching *matching, struct json_value document)
{
    while (matching->units.left) {
        struct json_value value;
        if (matching->trying && try_conditions(matching, document))
            return JSON_MATCH_YES;
        if (matching->trying)
            continue;
        switch (json_path_next(&matching->walk, document, &value, &matching->units)) {
        case JSON_WALKED_MORE:
            return JSON_MATCH_MORE;
        case JSON_WALKED_END:
            return JSON_MATCH_NO;
        case JSON_WALKED_VALUE:
            try_value(matching, value);
            break;
        }
    }
    return JSON_MATCH_MORE;
}

/* The leaf of the query's node @at. */
static enum json_match match_leaf(struct json_matching *matching, uint32_t at, const struct query_node *field,
                                  const struct query_node *conditions, struct json_value document)
{
    unsigned char *known = &matching->known[at];
    if (*known != UNKNOWN)
        return *known == TRUE ? JSON_MATCH_YES : JSON_MATCH_NO;
    if (!matching->in_leaf)
        begin_leaf(matching, field, conditions);
    enum json_match match = walk_leaf(matching, document);
    if (match == JSON_MATCH_MORE)
        return match;
    matching->in_leaf = false;
    *known = match == JSON_MATCH_YES ? TRUE : FALSE;
    return match;
}

/* ---- the tree ---- */

static enum json_match opposite_of(enum json_match match)
{
    return match == JSON_MATCH_MORE ? match : match == JSON_MATCH_YES ? JSON_MATCH_NO : JSON_MATCH_YES;
}

/* What the children of the node @at say about @field of the document. */
static enum json_match field_holds(struct json_matching *matching, const struct query_node *field,
                                   uint32_t at, struct json_value document)
{
    const struct query_node *nodes = matching->query->nodes, *conditions = &nodes[at];
    enum json_match match = JSON_MATCH_YES;
    if (conditions->about_values)
        match = match_leaf(matching, at, field, conditions, document);
    for (uint32_t child = conditions->child; match == JSON_MATCH_YES && child; child = nodes[child].sibling) {
        enum query_kind kind = nodes[child].kind;
        if (kind == QUERY_NEGATED)
            match = opposite_of(field_holds(matching, field, child, document));
        else if (kind == QUERY_EXISTS)
            match = match_leaf(matching, child, field, NULL, document);
        else if (kind == QUERY_ABSENT)
            match = opposite_of(match_leaf(matching, child, field, NULL, document));
    }
    return match;
}

static enum json_match document_holds(struct json_matching *matching, uint32_t at, struct json_value document)
{
    const struct query_node *nodes = matching->query->nodes;
    enum query_kind kind = nodes[at].kind;
    if (kind == QUERY_FIELD)
        return field_holds(matching, &nodes[at], at, document);
    enum json_match deciding = kind == QUERY_ANY ? JSON_MATCH_YES : JSON_MATCH_NO;
    enum json_match match = opposite_of(deciding);
    for (uint32_t child = nodes[at].child; child && match == opposite_of(deciding);
         child = nodes[child].sibling)
        match = document_holds(matching, child, document);
    return kind == QUERY_NOT ? opposite_of(match) : match;
}

struct json_matching *json_matching_create(const struct json_query *query)
{
    struct json_matching *matching = memory_zeroed(1, sizeof *matching);
    matching->query = query;
    matching->known = memory_zeroed(query->node_count, sizeof *matching->known);
    return matching;
}

void json_matching_free(struct json_matching *matching)
{
    if (!matching)
        return;
    free(matching->known);
    free(matching);
}

void json_matching_begin(struct json_matching *matching)
{
    memset(matching->known, UNKNOWN, matching->query->node_count);
    matching->in_leaf = false;
}

enum json_match json_matching_go_on(struct json_matching *matching, struct json_value document,
                                    uint64_t *units)
{
    matching->units = (struct json_units){.left = *units};
    enum json_match match = document_holds(matching, 0, document);
    *units = matching->units.taken;
    return match;
}

bool json_query_matches(const struct json_query *query, struct json_value document)
{
    struct json_matching *matching = json_matching_create(query);
    uint64_t units = UINT64_MAX;
    enum json_match match = json_matching_go_on(matching, document, &units);
    json_matching_free(matching);
    return match == JSON_MATCH_YES;
}
