#ifndef SHARED_JSON_JSON_H
#define SHARED_JSON_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/base/slice.h"

/*
 * Strict JSON (RFC 8259) read in one pass into a flat array of nodes that point into the text. Nothing is
 * copied and numbers stay text, so they come back digit for digit. Refused: anything after the value,
 * control characters and bad UTF-8 in strings, NUL characters (raw or \u0000), lone surrogates, duplicate
 * keys (compared unescaped), nesting over JSON_DEPTH_LIMIT, texts over UINT32_MAX / 2 bytes. Cost is linear
 * in the text whatever the text is.
 */

/* Levels of a document that is written; of a message from a client, which is put around documents; and of an answer, which is
 * put around those, too, that were stored when they could have as many levels as a message. */
enum { JSON_DEPTH_DOCUMENT = 56, JSON_DEPTH_LIMIT = 64, JSON_DEPTH_ANSWER = 72 };

enum json_type {
    JSON_NONE,
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

/** One value, or one key of an object. In an object: key node, value node (with what is below it), key, value
 * ... */
struct json_node {
    uint32_t start; /* offset of its first byte; of a string: of the opening quote */
    uint32_t end;   /* offset after its last byte */
    uint32_t next;  /* index of the node after this value and all below it */
    uint32_t type : 4;
    uint32_t escaped : 1; /* a string with a backslash in it */
    uint32_t count : 27;  /* members of an object, elements of an array */
};

/** A parsed text. All zero is empty. Parse again to reuse the memory; json_free() at the end. */
struct json {
    const char *text; /* the caller's; must outlive the values */
    size_t length;
    struct json_node *nodes;
    uint32_t count;
    uint32_t capacity;
    unsigned depth;      /* levels that it nests; 0: a scalar, or it was not parsed */
    bool compact;        /* no white space outside strings: the text is already in the stored form */
    const char *error;   /* after a failed parse: what is wrong, in words ("duplicate key", ...) */
    size_t error_offset; /* and where, in bytes */
    bool error_within;   /* that is in a string, a key or the levels: salvage.h tells the members apart */
};

/** A value within a parsed text: cheap to copy. One without ->json is "absent", of type JSON_NONE. */
struct json_value {
    const struct json *json;
    uint32_t index;
};

/** Parses @text. False: ->error and ->error_offset say why. */
[[gnu::warn_unused_result]] bool json_parse(struct json *json, const char *text, size_t length);
void json_free(struct json *json);

/** Parses again what was accepted before: it is not searched for duplicate keys. */
[[gnu::warn_unused_result]] bool json_parse_again(struct json *json, const char *text, size_t length);

/** Parses what a server sent: nesting up to JSON_DEPTH_ANSWER. */
[[gnu::warn_unused_result]] bool json_parse_answer(struct json *json, const char *text, size_t length);

/**
 * Takes @value out of its text, for less than it takes to parse it: @json, all zero, comes to be as if @text
 * had been parsed, which is a copy of json_text(@value) and stays the caller's.
 */
void json_take_out(struct json *json, const char *text, struct json_value value);

/**
 * The same in steps of bounded work, of which one ends at the border of two values, or between two keys that
 * are looked at. The text may be at another place in each step (json->text says where), and @json not. What
 * is known to have no duplicate keys, since it was parsed before, is not searched for them (@keys_differ).
 */
struct json_parsing;
enum json_parsed { JSON_PARSED_MORE, JSON_PARSED_ALL, JSON_PARSED_NOT /* ->error says why */ };

[[gnu::warn_unused_result]] struct json_parsing *json_parsing_create(struct json *json, struct slice text,
                                                                     bool keys_differ);

/** A step: *@units (of about 25 ns: a node, 8 bytes, ...) says how many it may take, and then how many it
 * took: up to a string's more. */
[[gnu::warn_unused_result]] enum json_parsed json_parsing_go_on(struct json_parsing *parsing,
                                                                uint64_t *units);
void json_parsing_free(struct json_parsing **parsing);

struct json_value json_root(const struct json *json);

static inline enum json_type json_type(struct json_value value)
{
    return value.json ? (enum json_type)value.json->nodes[value.index].type : JSON_NONE;
}

/** "a string", "an object", ...; "nothing" for an absent value: for messages. */
const char *json_type_name(enum json_type type);

/** The value's own text, as it was written. Absent for an absent value. */
struct slice json_text(struct json_value value);

/** Members of an object or elements of an array; 0 for anything else. */
uint32_t json_count(struct json_value value);

/** The member of an object whose (unescaped) key is @key; absent when there is none or @object is no
 * object. */
struct json_value json_member(struct json_value object, struct slice key);

/** Walks an object or an array: for (i = json_begin(v); json_step(&i);) use i.key (objects) and i.value. */
struct json_iterator {
    struct json_value key; /* a JSON_STRING; absent in an array */
    struct json_value value;
    uint32_t at;  /* next node */
    uint32_t end; /* node after the container */
    bool object;
};
struct json_iterator json_begin(struct json_value container);
bool json_step(struct json_iterator *iterator);

/**
 * The characters of a string (or key). Without escapes this is the text itself; otherwise they are appended
 * to
 * @scratch and the slice points there (until @scratch changes). Absent when @value is no string.
 */
struct slice json_string(struct json_value value, struct buffer *scratch);

/** Whether @value is a string whose unescaped characters are @text. No allocation. */
bool json_string_is(struct json_value value, struct slice text);

/** True when @value is a number that is exactly an integer of 64 bits ("3", "3.0", "1e2" are; "1.5" is
 * not). */
bool json_integer(struct json_value value, int64_t *out);

/** JSON_TRUE or JSON_FALSE. */
bool json_boolean(struct json_value value, bool *out);

/** Appends the value without white space; numbers and strings as they were written. */
void json_append_compact(struct buffer *out, struct json_value value);

/** Appends @text as a JSON string with its quotes. @text is UTF-8; ", \ and control characters are
 * escaped. */
void json_append_string(struct buffer *out, struct slice text);

/** Whether @length bytes are UTF-8 as RFC 3629 has it (no surrogates, no overlong forms, up to U+10FFFF). */
bool json_utf8_valid(const char *text, size_t length);

#endif
