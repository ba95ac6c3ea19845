#ifndef SHARED_JSON_CHARACTERS_H
#define SHARED_JSON_CHARACTERS_H

#include "shared/json/json.h"

/*
 * The characters of strings that the parser has accepted, one byte of unescaped UTF-8 after the other,
 * without allocation. Only for the files of shared/json.
 */

struct json_characters {
    const char *at, *end;
    unsigned char pending[4]; /* of an escape: what is still to give */
    unsigned given, pending_count;
};

/** @value must be a string. */
struct json_characters json_characters_of(struct json_value value);

/** The next byte, -1 at the end. */
int json_characters_next(struct json_characters *characters);

/** Decodes the escape after the backslash at @at; returns where the text goes on. */
const char *json_unescape(const char *at, unsigned char out[4], unsigned *count);

/** What stands between the quotes of a string, as written. */
static inline struct slice json_string_raw(struct json_value value)
{
    const struct json_node *node = &value.json->nodes[value.index];
    return slice_of(value.json->text + node->start + 1, node->end - node->start - 2);
}

static inline bool json_escaped(struct json_value value)
{
    return value.json->nodes[value.index].escaped;
}

/** Byte order of the unescaped characters of two strings. */
int json_string_compare(struct json_value a, struct json_value b);

/** Whether two strings (or keys) have the same characters. */
static inline bool json_same_string(struct json_value a, struct json_value b)
{
    if (!json_escaped(a) && !json_escaped(b))
        return slice_equal(json_string_raw(a), json_string_raw(b));
    return json_string_compare(a, b) == 0;
}

#endif
