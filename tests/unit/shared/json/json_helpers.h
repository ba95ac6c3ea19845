#ifndef TESTS_UNIT_JSON_HELPERS_H
#define TESTS_UNIT_JSON_HELPERS_H

/* What the tests of shared/json share: one text parsed, one value as compact text. Both take ' for ". */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/json/json.h"
#include "tests/unit/quoted.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

/* A copy of exactly the text's size on the heap, so that a read beyond it is seen by the sanitizer. */
static inline struct json parsed(const char *text)
{
    size_t length = strlen(text);
    char *copy = malloc(length ? length : 1);
    assert_non_null(copy);
    for (size_t i = 0; i < length; i++)
        copy[i] = text[i] == '\'' ? '"' : text[i];
    struct json json = {0};
    if (!json_parse(&json, copy, length))
        fail_msg("%s: %s at %zu", text, json.error, json.error_offset);
    return json;
}

static inline void parsed_free(struct json *json)
{
    free((void *)(uintptr_t)json->text);
    json_free(json);
}

/* Fails unless the buffer holds @expected; empties it. */
static inline void assert_buffer(struct buffer *buffer, const char *expected)
{
    char *quoted = quoted_copy(expected);
    buffer_append_byte(buffer, 0);
    assert_string_equal(buffer->data, quoted);
    free(quoted);
    buffer_clear(buffer);
}

#endif
