#ifndef TESTS_UNIT_QUOTED_H
#define TESTS_UNIT_QUOTED_H

/*
 * JSON in tests, without backslashes: Q("{'a': 'x'}") is {"a": "x"}. Each ' becomes ", so a text that needs an
 * apostrophe is written out.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buffer.h"

/** @text, a literal, with its quotes. It lives in the block in which it stands, as a local variable does. */
#define Q(text) quoted_in_place((char[]){text})

static inline char *quoted_in_place(char *text)
{
    for (char *at = text; (at = strchr(at, '\'')) != NULL; at++)
        *at = '"';
    return text;
}

/** The same for what is no literal: a copy, to be freed. */
static inline char *quoted_copy(const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        abort();
    return quoted_in_place(copy);
}

/** snprintf(3), and then its quotes, those of its arguments too. What does not fit ends the test. */
[[gnu::format(printf, 3, 4)]] static inline void quoted_print(char *out, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(out, size, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= size)
        abort();
    quoted_in_place(out);
}

/** buffer_append_format(), and then the quotes of what was appended. */
[[gnu::format(printf, 2, 3)]] static inline void quoted_append(struct buffer *out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text;
    if (vasprintf(&text, format, arguments) < 0)
        abort();
    va_end(arguments);
    buffer_append_text(out, quoted_in_place(text));
    free(text);
}

#endif
