#ifndef TESTS_UNIT_QUERY_HELPERS_H
#define TESTS_UNIT_QUERY_HELPERS_H

#include "json_helpers.h"

#include "shared/json/query.h"

/* @text, with ' for ", as a query. */
static inline struct json_query *compiled(const char *text)
{
    struct json json = parsed(text);
    char message[JSON_QUERY_MESSAGE];
    struct json_query *query = json_query_compile(json_root(&json), message);
    if (!query)
        fail_msg("%s: %s", text, message);
    parsed_free(&json); /* the query must do without */
    return query;
}

#endif
