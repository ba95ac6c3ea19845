#ifndef SHARED_JSON_QUERY_H
#define SHARED_JSON_QUERY_H

#include "shared/json/json.h"

/*
 * Queries of `find`, `count`, `update` and sync filters: {field: value}, dotted paths, $eq $ne $gt $gte $lt
 * $lte $in $nin $exists $and $or $not. An array field matches when one of its elements does (or the whole
 * array is equal); $ne, $nin and $not are the negations of that. $gt and its kin compare numbers with numbers
 * and strings with strings (byte order) and match nothing else. {field: null} and $eq null also match an
 * absent field, as in MongoDB.
 *
 * All of $eq $in $gt $gte $lt $lte given for one field hold for one and the same value of it: {"a": {"$gt":
 * 1, "$lt": 5}} does not match {"a": [0, 10]}. A dotted path goes on in every element of an array that is an
 * object; a number steps into the array instead. An object with operators deeper in a value is refused ($eq
 * compares with such an object).
 */

struct json_query;

enum {
    JSON_QUERY_MESSAGE = 200,
    JSON_QUERY_NODES = 1000,
    JSON_QUERY_VALUES = 10000,
    JSON_QUERY_NUMBERS = 65536
};

/**
 * Compiles a query (an object). The result owns copies of all it needs: @query may go. NULL: @message names
 * the key and what was expected; that it is about a query the caller says. A query of more than
 * JSON_QUERY_NODES conditions and values ($in elements count) is refused, and one of more than
 * JSON_QUERY_VALUES keys and values, at whatever depth. The numbers in its lists have at most JSON_QUERY_NUMBERS
 * bytes together: putting them in order is one step.
 */
[[gnu::warn_unused_result]] struct json_query *json_query_compile(struct json_value query,
                                                                  char message[JSON_QUERY_MESSAGE]);
void json_query_free(struct json_query *query);

/** Whether @document (an object) matches, in one go. */
bool json_query_matches(const struct json_query *query, struct json_value document);

/**
 * The same in steps of bounded work, however large the document and the query are. What it costs is counted
 * in units of about 25 ns: one for each node that is visited and each comparison, and more for long texts. A
 * step ends with the comparison of two values in which its units end.
 */
enum json_match { JSON_MATCH_NO, JSON_MATCH_YES, JSON_MATCH_MORE };

struct json_matching;
/** For one document after another; the query must live longer. */
[[gnu::warn_unused_result]] struct json_matching *json_matching_create(const struct json_query *query);
void json_matching_free(struct json_matching *matching);

/** Forgets the document before: the next step is the first of another one. */
void json_matching_begin(struct json_matching *matching);

/** A step: *@units says how many it may take, and then how many it took. JSON_MATCH_MORE: all of them; go on
 * with the same document, whose text (but not its nodes) may have moved. */
[[gnu::warn_unused_result]] enum json_match json_matching_go_on(struct json_matching *matching,
                                                                struct json_value document, uint64_t *units);

/** Appends the query's text, compact: for comparing declarations. */
void json_query_append_text(struct buffer *out, const struct json_query *query);

/**
 * What every match must satisfy for @field, as far as the top level and its $and say: the field (or an
 * element of it) equals one of @equal, or lies between @lower and @upper. For choosing an index; candidates
 * are still matched.
 */
struct json_query_bounds {
    const struct json_value *equal; /* NULL: no equality known; only scalars; owned by the query */
    size_t equal_count;
    struct json_value lower, upper; /* inclusive, absent when open; a number or a string */
};

/** False when the query says nothing usable about @field. */
bool json_query_bounds(const struct json_query *query, struct slice field, struct json_query_bounds *out);

#endif
