/* Queries that look at a document in steps. */

#include "query_helpers.h"

static unsigned chance(uint64_t *state, unsigned below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*state >> 33) % below;
}

static void append_value(struct buffer *out, uint64_t *state, unsigned depth)
{
    static const char *const scalars[] = {"null", "false", "true", "0",   "1",   "1.0",
                                          "2",    "-1e2",  "''",   "'a'", "'b'", "'\\u0061'"};
    unsigned kind = chance(state, depth ? 12 : 6);
    if (kind < 6) {
        buffer_append_text(out, scalars[chance(state, sizeof scalars / sizeof *scalars)]);
        return;
    }
    bool object = kind % 2;
    unsigned count = chance(state, 4);
    buffer_append_byte(out, object ? '{' : '[');
    for (unsigned i = 0; i < count; i++) {
        buffer_append_text(out, i ? "," : "");
        if (object)
            buffer_append_format(out, "'%c':", 'a' + (int)i);
        append_value(out, state, depth - 1);
    }
    buffer_append_byte(out, object ? '}' : ']');
}

static void append_operators(struct buffer *out, uint64_t *state, unsigned depth)
{
    static const char *const operators[] = {"$eq", "$ne", "$gt", "$gte", "$lt", "$lte"};
    unsigned kind = chance(state, depth ? 9 : 8);
    buffer_append_byte(out, '{');
    if (kind < 4) {
        unsigned first = chance(state, 6);
        bool ordered = first > 1;
        buffer_append_format(out, "'%s':", operators[first]);
        if (ordered)
            buffer_append_text(out, chance(state, 2) ? "1" : "'a'");
        else
            append_value(out, state, 2);
        if (!ordered && chance(state, 2))
            buffer_append_text(out, ",'$lte':2");
    } else if (kind < 6) {
        buffer_append_text(out, kind == 4 ? "'$in':[" : "'$nin':[");
        for (unsigned i = 0, count = chance(state, 4); i < count; i++) {
            buffer_append_text(out, i ? "," : "");
            append_value(out, state, 2);
        }
        buffer_append_byte(out, ']');
    } else if (kind < 8) {
        buffer_append_format(out, "'$exists':%s", chance(state, 2) ? "true" : "false");
    } else {
        buffer_append_text(out, "'$not':");
        append_operators(out, state, depth - 1);
    }
    buffer_append_byte(out, '}');
}

static void append_query(struct buffer *out, uint64_t *state, unsigned depth)
{
    static const char *const paths[] = {"a", "b", "a.a", "a.b", "a.a.a", "a.0", "a.b.1", "b.0.a", "a.c.b"};
    static const char *const groups[] = {"$and", "$or"};
    unsigned count = 1 + chance(state, 3);
    buffer_append_byte(out, '{');
    if (depth && chance(state, 3) == 0) {
        buffer_append_format(out, "'%s':[", groups[chance(state, 2)]);
        for (unsigned i = 0; i < count; i++) {
            buffer_append_text(out, i ? "," : "");
            append_query(out, state, depth - 1);
        }
        buffer_append_byte(out, ']');
    } else if (depth && chance(state, 5) == 0) {
        buffer_append_text(out, "'$not':");
        append_query(out, state, depth - 1);
    } else {
        for (unsigned i = 0, first = chance(state, 3); i < count; i++) {
            buffer_append_format(out, "%s'%s':", i ? "," : "", paths[first + i * 3]);
            append_operators(out, state, 1);
        }
    }
    buffer_append_byte(out, '}');
}

/* Steps of @most units each, with the document's text at another place in each. */
static bool matches_in_steps(struct json_matching *matching, struct json *document, uint64_t most)
{
    const char *text = document->text;
    char *copies[2] = {malloc(document->length), malloc(document->length)};
    enum json_match match = JSON_MATCH_MORE;
    json_matching_begin(matching);
    for (unsigned i = 0; match == JSON_MATCH_MORE; i++) {
        uint64_t units = most;
        assert_true(i < 100000);
        memset(copies[(i + 1) % 2], '?', document->length);
        document->text = memcpy(copies[i % 2], text, document->length);
        match = json_matching_go_on(matching, json_root(document), &units);
        assert_true(match != JSON_MATCH_MORE || units >= most);
    }
    document->text = text;
    free(copies[0]);
    free(copies[1]);
    return match == JSON_MATCH_YES;
}

static void steps_come_to_the_same(void **state)
{
    (void)state;
    uint64_t random = 1;
    unsigned matched = 0;
    for (unsigned i = 0; i < 4000; i++) {
        struct buffer query_text = {0}, document_text = {0};
        append_query(&query_text, &random, 2);
        buffer_append_byte(&query_text, '\0');
        struct json_query *query = compiled(query_text.data);
        struct json_matching *matching = json_matching_create(query);
        for (unsigned j = 0; j < 8; j++) {
            buffer_clear(&document_text);
            buffer_append_text(&document_text, "{'a':");
            append_value(&document_text, &random, 4);
            buffer_append_text(&document_text, ",'b':");
            append_value(&document_text, &random, 3);
            buffer_append_text(&document_text, "}");
            buffer_append_byte(&document_text, '\0');
            struct json document = parsed(document_text.data);
            bool matches = json_query_matches(query, json_root(&document));
            matched += matches;
            for (uint64_t most = 1; most < 4; most++)
                if (matches_in_steps(matching, &document, most) != matches)
                    fail_msg("%s on %s in steps of %u", query_text.data, document_text.data, (unsigned)most);
            parsed_free(&document);
        }
        json_matching_free(matching);
        json_query_free(query);
        buffer_free(&query_text);
        buffer_free(&document_text);
    }
    assert_in_range(matched, 4000 * 8 / 5, 4000 * 8 * 4 / 5);
}

/* Many conditions on paths through a long array: no step is longer than it may be. */
static void steps_end_inside_a_document(void **state)
{
    (void)state;
    enum { ELEMENTS = 20000, CONDITIONS = 100, MOST = 1000 };
    struct buffer document_text = {0}, query_text = {0};
    buffer_append_text(&document_text, "{'a':[");
    for (unsigned i = 0; i < ELEMENTS; i++)
        buffer_append_text(&document_text, i ? ",{}" : "{}");
    buffer_append_text(&document_text, "]}");
    buffer_append_byte(&document_text, '\0');
    buffer_append_text(&query_text, "{'$or':[");
    for (unsigned i = 0; i < CONDITIONS; i++)
        buffer_append_format(&query_text, "%s{'a.b':%u}", i ? "," : "", i);
    buffer_append_text(&query_text, "]}");
    buffer_append_byte(&query_text, '\0');
    struct json_query *query = compiled(query_text.data);
    struct json_matching *matching = json_matching_create(query);
    struct json document = parsed(document_text.data);
    enum json_match match = JSON_MATCH_MORE;
    unsigned steps = 0;
    json_matching_begin(matching);
    for (; match == JSON_MATCH_MORE; steps++) {
        uint64_t units = MOST;
        match = json_matching_go_on(matching, json_root(&document), &units);
        assert_in_range(units, 0, MOST + 10);
    }
    assert_int_equal(match, JSON_MATCH_NO);
    assert_in_range(steps, ELEMENTS * CONDITIONS / MOST, ELEMENTS * CONDITIONS / MOST * 10);
    parsed_free(&document);
    json_matching_free(matching);
    json_query_free(query);
    buffer_free(&query_text);
    buffer_free(&document_text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_come_to_the_same),
        cmocka_unit_test(steps_end_inside_a_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
