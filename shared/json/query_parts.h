#ifndef SHARED_JSON_QUERY_PARTS_H
#define SHARED_JSON_QUERY_PARTS_H

#include "shared/json/path.h"
#include "shared/json/query.h"

/* A compiled query as query_compile.c makes it and query_match.c and query_bounds.c read it. Only for
 * these. */

enum query_kind {
    /* about the document; children are of this group */
    QUERY_ALL,
    QUERY_ANY,
    QUERY_NOT, /* not all of the children */
    /* about one field: children are of the groups below */
    QUERY_FIELD,
    /* about the field as a whole */
    QUERY_EXISTS,
    QUERY_ABSENT,
    QUERY_NEGATED, /* what the children say of the field does not hold */
    /* about a value: the field's, or that of one element when it is an array; one value must satisfy all of
       them */
    QUERY_IN, /* also $eq: a list of one */
    QUERY_GREATER,
    QUERY_GREATER_EQUAL,
    QUERY_LESS,
    QUERY_LESS_EQUAL
};

struct query_node {
    enum query_kind kind;
    bool about_values; /* of QUERY_FIELD and QUERY_NEGATED: some child is about a value */
    uint32_t child;    /* the first; 0: none (the root is nobody's child) */
    uint32_t sibling;  /* the next; 0: none */
    uint32_t values;   /* operands: first and number in ->values */
    uint32_t value_count;
    uint32_t sorted_count; /* of QUERY_IN: so many operands, all scalars, come first and in order */
    uint32_t steps;        /* of QUERY_FIELD: first and number in ->steps */
    uint32_t step_count;
    struct slice path;
};

struct json_query {
    struct buffer text;  /* the query, compact */
    struct buffer names; /* unescaped paths */
    struct json json;    /* of ->text */
    struct query_node *nodes;
    uint32_t node_count, node_capacity;
    struct json_value *values;
    uint32_t value_count, value_capacity;
    struct json_path_step *steps;
    uint32_t step_count, step_capacity;
    uint32_t spent;        /* of JSON_QUERY_NODES */
    uint32_t number_bytes; /* of JSON_QUERY_NUMBERS */
};

#endif
