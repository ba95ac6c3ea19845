#ifndef TESTS_UNIT_SORT_HELPERS_H
#define TESTS_UNIT_SORT_HELPERS_H

/* What the tests of sorting share. Texts take ' for ". */

#include "tests/unit/shared/json/json_helpers.h"

#include "worker/methods/sort_keys.h"

enum { MUCH = 1024 * 1024 };

static inline unsigned chance(uint64_t *state, unsigned below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*state >> 33) % below;
}

/* @message_bytes says how long keys may be. */
static inline struct sort_order order_of(const char *text, size_t message_bytes)
{
    struct sort_order order = {0};
    struct json json = parsed(text);
    assert_true(sort_order_read(NULL, json_root(&json), message_bytes, &order));
    parsed_free(&json);
    return order;
}

/* In steps of so many units, with the text at another place in each. */
static inline void take_in_steps(struct sort_keys *keys, const struct sort_order *order,
                                 struct json *document, uint64_t most)
{
    const char *text = document->text;
    bool done = false;
    sort_keys_begin(keys, order);
    for (unsigned i = 0; !done; i++) {
        struct json_units units = {.left = most};
        assert_true(i < 100000);
        char *copy = malloc(document->length);
        document->text = memcpy(copy, text, document->length);
        done = sort_keys_take(keys, order, json_root(document), &units);
        assert_true(done || units.taken >= most);
        free(copy);
    }
    document->text = text;
}

/* A value of few levels, in which names and values come again and again. */
static inline void append_value(struct buffer *out, uint64_t *state, unsigned depth)
{
    static const char *const scalars[] = {"null",
                                          "false",
                                          "true",
                                          "0",
                                          "1",
                                          "1.0",
                                          "-7",
                                          "15e-1",
                                          "9007199254740993",
                                          "''",
                                          "'a'",
                                          "'aaaaab'",
                                          "'b'",
                                          "'\\u0061'",
                                          "'\\u00e9'",
                                          "'aaaaa\\u00e9x'",
                                          "1e400",
                                          "'\\u0001\\\"'"};
    unsigned kind = chance(state, depth ? 12 : 6);
    if (kind < 6) {
        buffer_append_text(out, scalars[chance(state, COUNT_OF(scalars))]);
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

static inline struct json random_document(uint64_t *state)
{
    struct buffer text = {0};
    buffer_append_text(&text, "{'a':");
    append_value(&text, state, 4);
    buffer_append_text(&text, ",'b':");
    append_value(&text, state, 3);
    buffer_append_byte(&text, '}');
    buffer_append_byte(&text, '\0');
    struct json json = parsed(text.data);
    buffer_free(&text);
    return json;
}

#endif
