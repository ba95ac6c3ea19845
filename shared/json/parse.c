#include "shared/json/json.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/json/characters.h"
#include "shared/json/key_set.h"
#include "shared/json/scan.h"
#include "shared/json/string_check.h"

/* What is known of a container while it is open. */
struct level {
    uint32_t node;
    uint32_t count;
    uint64_t
        seen; /* one bit for some property of each key: a second key with the same bit may be a duplicate */
    bool maybe_duplicate; /* among many keys, or long ones: looked for when the object closes */
    bool object;
};

/* What comes next. */
enum stage {
    AT_VALUE,    /* a value, or what opens a container */
    AFTER_VALUE, /* a comma or a bracket, or the end */
    AT_KEYS,     /* the keys of the object that was closed last are looked at, then what is after it */
};

struct parser {
    struct json *json;
    const char *at, *end;
    bool spaces;      /* white space was skipped */
    bool keys_differ; /* as is known beforehand */
    enum stage stage;
    unsigned depth, depth_most;
    struct level levels[JSON_DEPTH_ANSWER];
    struct json_key_set keys;  /* in AT_KEYS, of the object being looked at */
    struct json_iterator each; /* and its next member */
};

enum { COUNT_LIMIT = (1 << 27) - 1 }; /* of json_node.count */

enum { SHORT_KEY = 256 }; /* bytes, that may be compared with few others */

/* Units for a key in a set: a hash, and a place in a table that is in no cache. */
enum { KEY_UNITS = 6, BYTES_OF_UNIT = 8, SLOTS_OF_UNIT = 8 };

[[gnu::cold, gnu::noinline]] static bool fail_at(struct parser *parser, const char *at, const char *error)
{
    parser->json->error = error;
    parser->json->error_offset = (size_t)(at - parser->json->text);
    return false;
}

[[gnu::cold, gnu::noinline]] static bool parse_fail(struct parser *parser, const char *error)
{
    return fail_at(parser, parser->at, parser->at == parser->end ? "the text ends too early" : error);
}

/* What is wrong leaves it clear where strings, members and containers begin and end. */
[[gnu::cold, gnu::noinline]] static bool refuse_within(struct parser *parser, const char *error)
{
    parser->json->error_within = true;
    return fail_at(parser, parser->at, error);
}

/* The next byte; 0, which is allowed nowhere, at the end. */
static inline char peek_byte(const struct parser *parser)
{
    return parser->at < parser->end ? *parser->at : 0;
}

static inline void skip_spaces(struct parser *parser)
{
    while (parser->at < parser->end &&
           (*parser->at == ' ' || *parser->at == '\n' || *parser->at == '\r' || *parser->at == '\t')) {
        parser->spaces = true;
        parser->at++;
    }
}

/* A node that starts at @start and ends where the parser is; of a container the end comes later. */
static inline void add_node(struct parser *parser, const char *start, enum json_type type, bool escaped)
{
    struct json *json = parser->json;
    if (json->count == json->capacity) {
        json->capacity = json->capacity ? json->capacity * 2 : 64;
        json->nodes = memory_resize(json->nodes, json->capacity, sizeof(*json->nodes));
    }
    json->nodes[json->count] = (struct json_node){
        .start = (uint32_t)(start - json->text),
        .end = (uint32_t)(parser->at - json->text),
        .next = json->count + 1,
        .type = (unsigned)type & 15,
        .escaped = escaped,
    };
    json->count++;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Anything in a string that is not plain ASCII and not its end. */
[[gnu::noinline]] static bool read_special(struct parser *parser, bool *escaped)
{
    struct json_string_fault fault;
    const char *end = json_string_check(parser->at, parser->end, escaped, &fault);
    if (end) {
        parser->at = end;
        return true;
    }
    parser->json->error_within = fault.within;
    return fail_at(parser, fault.at, fault.error);
}

/* The parser is at the opening quote. */
static inline bool read_string(struct parser *parser)
{
    const char *start = parser->at++;
    bool escaped = false;
    for (;;) {
        parser->at = json_plain_end(parser->at, parser->end);
        if (parser->at == parser->end)
            return parse_fail(parser, "");
        if (*parser->at == '"')
            break;
        if (!read_special(parser, &escaped))
            return false;
    }
    parser->at++;
    add_node(parser, start, JSON_STRING, escaped);
    return true;
}

static inline bool skip_digits(struct parser *parser)
{
    const char *start = parser->at;
    while (is_digit(peek_byte(parser)))
        parser->at++;
    return parser->at > start;
}

static inline bool read_number(struct parser *parser)
{
    const char *start = parser->at;
    if (*parser->at == '-')
        parser->at++;
    if (peek_byte(parser) == '0') {
        parser->at++;
        if (is_digit(peek_byte(parser)))
            return parse_fail(parser, "a number with a leading zero");
    } else if (!skip_digits(parser)) {
        return parse_fail(parser, "a digit was expected");
    }
    if (peek_byte(parser) == '.') {
        parser->at++;
        if (!skip_digits(parser))
            return parse_fail(parser, "a digit was expected");
    }
    if ((peek_byte(parser) | 0x20) == 'e') {
        parser->at++;
        if (peek_byte(parser) == '+' || peek_byte(parser) == '-')
            parser->at++;
        if (!skip_digits(parser))
            return parse_fail(parser, "a digit was expected");
    }
    add_node(parser, start, JSON_NUMBER, false);
    return true;
}

static inline bool read_word(struct parser *parser, const char *word, size_t length, enum json_type type)
{
    const char *start = parser->at;
    for (size_t i = 0; i < length; i++, parser->at++)
        if (peek_byte(parser) != word[i])
            return parse_fail(parser, "a value was expected");
    add_node(parser, start, type, false);
    return true;
}

static inline bool open_container(struct parser *parser, bool object)
{
    if (parser->depth == parser->depth_most)
        return refuse_within(parser, "nested too deeply");
    parser->levels[parser->depth++] = (struct level){.node = parser->json->count, .object = object};
    if (parser->json->depth < parser->depth)
        parser->json->depth = parser->depth;
    add_node(parser, parser->at++, object ? JSON_OBJECT : JSON_ARRAY, false);
    return true;
}

static bool refuse_duplicate(struct parser *parser, uint32_t key)
{
    parser->json->error_within = true;
    return fail_at(parser, parser->json->text + parser->json->nodes[key].start, "duplicate key");
}

/* The newest key, the last node, is compared with the few before it. */
[[gnu::noinline]] static bool check_few_keys(struct parser *parser, const struct level *level)
{
    const struct json *json = parser->json;
    uint32_t newest = json->count - 1;
    for (uint32_t key = level->node + 1; key < newest; key = json->nodes[key + 1].next)
        if (json_same_string((struct json_value){json, key}, (struct json_value){json, newest}))
            return refuse_duplicate(parser, newest);
    return true;
}

/*
 * Looks for an equal key before the newest one. A word with a bit for some property of each key tells for
 * most keys that there is none: then no keys are compared. All is linear, whatever the keys are.
 */
static inline bool check_key(struct parser *parser, struct level *level)
{
    const struct json_node *key = &parser->json->nodes[parser->json->count - 1];
    const char *text = parser->json->text;
    uint32_t mixed = (key->end - key->start) * 0x9E3779B1u +
                     (unsigned char)text[key->start + 1] * 0x85EBCA6Bu +
                     (unsigned char)text[key->end - 2] * 0xC2B2AE35u;
    uint64_t bit = UINT64_C(1) << (mixed >> 26);
    if (parser->keys_differ)
        return true;
    if (key->escaped)
        bit = UINT64_MAX; /* as written it tells nothing: this key and all that follow are compared */
    bool maybe = (level->seen & bit) != 0;
    level->seen |= bit;
    if (!maybe)
        return true;
    if (level->count < JSON_KEY_SET_FROM && key->end - key->start <= SHORT_KEY)
        return check_few_keys(parser, level);
    level->maybe_duplicate = true;
    return true;
}

/* Many keys go through a hash set when their object closes. */
[[gnu::noinline]] static void begin_many_keys(struct parser *parser, uint32_t node)
{
    struct json_value object = {parser->json, node};
    json_key_set_init(&parser->keys, parser->json, json_count(object));
    parser->each = json_begin(object);
    parser->stage = AT_KEYS;
}

/* As many as @units are for; returns how many it took. */
[[gnu::noinline]] static uint64_t check_many_keys(struct parser *parser, uint64_t units, bool *unique)
{
    bool more = true;
    uint64_t taken = 0;
    *unique = true;
    while (taken < units && *unique && (more = json_step(&parser->each))) {
        *unique = json_key_set_add(&parser->keys, parser->each.key.index);
        taken += KEY_UNITS + json_text(parser->each.key).length / BYTES_OF_UNIT;
    }
    if (*unique && more)
        return taken;
    if (!*unique)
        (void)refuse_duplicate(parser, parser->each.key.index);
    json_key_set_free(&parser->keys);
    parser->stage = AFTER_VALUE;
    return taken;
}

/* The parser is at the closing bracket. */
static inline void close_container(struct parser *parser)
{
    const struct level *level = &parser->levels[parser->depth - 1];
    struct json_node *node = &parser->json->nodes[level->node];
    parser->at++;
    node->end = (uint32_t)(parser->at - parser->json->text);
    node->next = parser->json->count;
    node->count = level->count & COUNT_LIMIT;
    parser->depth--;
    if (level->maybe_duplicate)
        begin_many_keys(parser, level->node);
}

/* A key and its colon. White space before it has been skipped. */
static inline bool read_key(struct parser *parser)
{
    if (peek_byte(parser) != '"')
        return parse_fail(parser, "a key was expected");
    if (!read_string(parser))
        return false;
    if (!check_key(parser, &parser->levels[parser->depth - 1]))
        return false;
    skip_spaces(parser);
    if (peek_byte(parser) != ':')
        return parse_fail(parser, "a colon was expected");
    parser->at++;
    return true;
}

/* Everything after a value up to where the next one starts, or to the end of the text (*done), or to that of
 * an object whose keys are to be looked at. */
static inline bool read_after_value(struct parser *parser, bool *done)
{
    parser->stage = AFTER_VALUE;
    while (parser->depth) {
        struct level *level = &parser->levels[parser->depth - 1];
        if (level->count++ == COUNT_LIMIT)
            return refuse_within(parser, "too many elements");
        skip_spaces(parser);
        char byte = peek_byte(parser);
        if (byte == ',') {
            parser->stage = AT_VALUE;
            parser->at++;
            skip_spaces(parser);
            return !level->object || read_key(parser);
        }
        if (byte != (level->object ? '}' : ']'))
            return parse_fail(parser,
                              level->object ? "a comma or } was expected" : "a comma or ] was expected");
        close_container(parser);
        if (parser->stage == AT_KEYS)
            return true;
    }
    skip_spaces(parser);
    *done = true;
    return parser->at == parser->end || parse_fail(parser, "there is more text after the value");
}

/* Reads one scalar or empty container, or opens a container (*opened: a value must follow). */
static inline bool read_value(struct parser *parser, bool *opened)
{
    skip_spaces(parser);
    switch (peek_byte(parser)) {
    case '"':
        return read_string(parser);
    case '{':
        if (!open_container(parser, true))
            return false;
        skip_spaces(parser);
        if (peek_byte(parser) == '}') {
            close_container(parser);
            return true;
        }
        *opened = true;
        return read_key(parser);
    case '[':
        if (!open_container(parser, false))
            return false;
        skip_spaces(parser);
        if (peek_byte(parser) == ']') {
            close_container(parser);
            return true;
        }
        *opened = true;
        return true;
    case 't':
        return read_word(parser, "true", 4, JSON_TRUE);
    case 'f':
        return read_word(parser, "false", 5, JSON_FALSE);
    case 'n':
        return read_word(parser, "null", 4, JSON_NULL);
    default:
        if (peek_byte(parser) == '-' || is_digit(peek_byte(parser)))
            return read_number(parser);
        return parse_fail(parser, "a value was expected");
    }
}

/* A value and all after it, or what opens a container. */
static inline bool parse_one(struct parser *parser, bool *done)
{
    bool opened = false;
    if (parser->stage == AT_VALUE && !read_value(parser, &opened))
        return false;
    return opened || read_after_value(parser, done);
}

static bool read_text(struct parser *parser)
{
    bool done = false, good = true;
    while (good && !done) {
        good = parse_one(parser, &done);
        if (parser->stage == AT_KEYS)
            (void)check_many_keys(parser, UINT64_MAX, &good);
    }
    return good;
}

static bool begin_parsing(struct parser *parser, struct json *json, const char *text, size_t length,
                          bool keys_differ)
{
    json->text = text;
    json->length = length;
    json->count = 0;
    json->depth = 0;
    json->compact = false;
    json->error = NULL;
    json->error_offset = 0;
    json->error_within = false;
    if (length > UINT32_MAX / 2) {
        json->error = "the text is too long";
        return false;
    }
    parser->json = json; /* the levels need no initial value */
    parser->at = text;
    parser->end = text + length;
    parser->spaces = false;
    parser->keys_differ = keys_differ;
    parser->stage = AT_VALUE;
    parser->depth = 0;
    parser->depth_most = JSON_DEPTH_LIMIT;
    return true;
}

static bool end_parsing(const struct parser *parser, bool good)
{
    struct json *json = parser->json;
    if (!good)
        json->count = 0;
    json->compact = good && !parser->spaces;
    return good;
}

bool json_parse(struct json *json, const char *text, size_t length)
{
    struct parser parser;
    return begin_parsing(&parser, json, text, length, false) && end_parsing(&parser, read_text(&parser));
}

bool json_parse_again(struct json *json, const char *text, size_t length)
{
    struct parser parser;
    return begin_parsing(&parser, json, text, length, true) && end_parsing(&parser, read_text(&parser));
}

bool json_parse_answer(struct json *json, const char *text, size_t length)
{
    struct parser parser;
    if (!begin_parsing(&parser, json, text, length, false))
        return false;
    parser.depth_most = JSON_DEPTH_ANSWER;
    return end_parsing(&parser, read_text(&parser));
}

/* ---- in steps ---- */

struct json_parsing {
    struct parser parser;
    size_t at; /* between two steps, in the text */
    bool good; /* false: it was too long from the start */
};

struct json_parsing *json_parsing_create(struct json *json, struct slice text, bool keys_differ)
{
    struct json_parsing *parsing = memory_zeroed(1, sizeof *parsing);
    parsing->good = begin_parsing(&parsing->parser, json, text.data, text.length, keys_differ);
    return parsing;
}

static uint64_t parsed_since(const struct parser *parser, const char *at, uint32_t count)
{
    return (uint64_t)(parser->at - at) / BYTES_OF_UNIT + (parser->json->count - count);
}

/* As far as @units go; returns how many it took. */
static uint64_t parse_some(struct parser *parser, uint64_t units, bool *good, bool *done)
{
    const char *at = parser->at;
    const uint32_t count = parser->json->count;
    while (*good && !*done && parser->stage != AT_KEYS && parsed_since(parser, at, count) < units)
        *good = parse_one(parser, done);
    return parsed_since(parser, at, count) +
           (parser->stage == AT_KEYS ? parser->keys.mask / SLOTS_OF_UNIT : 0);
}

enum json_parsed json_parsing_go_on(struct json_parsing *parsing, uint64_t *units)
{
    struct parser *parser = &parsing->parser;
    const uint64_t most = *units;
    bool done = false, good = parsing->good;
    *units = 0;
    if (!good)
        return JSON_PARSED_NOT;
    parser->at = parser->json->text + parsing->at;
    parser->end = parser->json->text + parser->json->length;
    while (good && !done && *units < most)
        *units += parser->stage == AT_KEYS ? check_many_keys(parser, most - *units, &good)
                                           : parse_some(parser, most - *units, &good, &done);
    parsing->at = (size_t)(parser->at - parser->json->text);
    if (good && !done)
        return JSON_PARSED_MORE;
    return end_parsing(parser, good) ? JSON_PARSED_ALL : JSON_PARSED_NOT;
}

void json_parsing_free(struct json_parsing **slot)
{
    struct json_parsing *parsing = *slot;
    *slot = NULL;
    if (parsing)
        json_key_set_free(&parsing->parser.keys);
    free(parsing);
}
