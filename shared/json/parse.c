#include "shared/json/json.h"

#include "shared/base/memory.h"
#include "shared/json/characters.h"
#include "shared/json/key_set.h"
#include "shared/json/utf8.h"

/* What is known of a container while it is open. */
struct level {
    uint32_t node;
    uint32_t count;
    uint64_t
        seen; /* one bit for some property of each key: a second key with the same bit may be a duplicate */
    bool maybe_duplicate; /* among many keys: looked for when the object closes */
    bool object;
};

struct parser {
    struct json *json;
    const char *at, *end;
    bool spaces; /* white space was skipped */
    unsigned depth;
    struct level levels[JSON_DEPTH_LIMIT];
};

enum { COUNT_LIMIT = (1 << 27) - 1 }; /* of json_node.count */

[[gnu::cold, gnu::noinline]] static bool fail_at(struct parser *parser, const char *at, const char *error)
{
    parser->json->error = error;
    parser->json->error_offset = (size_t)(at - parser->json->text);
    return false;
}

[[gnu::cold, gnu::noinline]] static bool fail(struct parser *parser, const char *error)
{
    return fail_at(parser, parser->at, parser->at == parser->end ? "the text ends too early" : error);
}

/* The next byte; 0, which is allowed nowhere, at the end. */
static inline char peek(const struct parser *parser)
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

/* Four hexadecimal digits; -1 when they are not. */
static int32_t read_hex(const struct parser *parser, const char *at)
{
    if (parser->end - at < 4)
        return -1;
    int32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        char lower = (char)(at[i] | 0x20);
        if (is_digit(at[i]))
            unit = unit * 16 + (at[i] - '0');
        else if (lower >= 'a' && lower <= 'f')
            unit = unit * 16 + (lower - 'a' + 10);
        else
            return -1;
    }
    return unit;
}

/* \uXXXX, a pair of them for what is above U+FFFF (RFC 8259, section 7). The parser is at the backslash. */
static bool read_unicode_escape(struct parser *parser)
{
    int32_t unit = read_hex(parser, parser->at + 2);
    if (unit < 0)
        return fail(parser, "\\u without four hexadecimal digits");
    if (unit == 0)
        return fail(parser, "NUL character in a string");
    if (unit >= 0xDC00 && unit <= 0xDFFF)
        return fail(parser, "lone surrogate in a string");
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        const char *second = parser->at + 6;
        int32_t low = -1;
        if (parser->end - second >= 6 && second[0] == '\\' && second[1] == 'u')
            low = read_hex(parser, second + 2);
        if (low < 0xDC00 || low > 0xDFFF)
            return fail(parser, "lone surrogate in a string");
        parser->at += 6;
    }
    parser->at += 6;
    return true;
}

static bool read_escape(struct parser *parser)
{
    if (parser->end - parser->at < 2)
        return fail_at(parser, parser->end, "the text ends too early");
    switch (parser->at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        parser->at += 2;
        return true;
    case 'u':
        return read_unicode_escape(parser);
    default:
        return fail(parser, "unknown escape in a string");
    }
}

/* Anything in a string that is not plain ASCII and not its end. */
[[gnu::noinline]] static bool read_special(struct parser *parser, bool *escaped)
{
    char byte = *parser->at;
    if (byte == '\\') {
        *escaped = true;
        return read_escape(parser);
    }
    if (byte == 0)
        return fail(parser, "NUL character in a string");
    if (!(byte & 0x80))
        return fail(parser, "control character in a string");
    do {
        size_t sequence = json_utf8_sequence(parser->at, parser->end);
        if (!sequence)
            return fail(parser, "bad UTF-8");
        parser->at += sequence;
    } while (parser->at < parser->end && (*parser->at & 0x80));
    return true;
}

/* The parser is at the opening quote. */
static inline bool read_string(struct parser *parser)
{
    const char *start = parser->at++;
    bool escaped = false;
    for (;;) {
        parser->at = json_plain_end(parser->at, parser->end);
        if (parser->at == parser->end)
            return fail(parser, "");
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
    while (is_digit(peek(parser)))
        parser->at++;
    return parser->at > start;
}

static inline bool read_number(struct parser *parser)
{
    const char *start = parser->at;
    if (*parser->at == '-')
        parser->at++;
    if (peek(parser) == '0') {
        parser->at++;
        if (is_digit(peek(parser)))
            return fail(parser, "a number with a leading zero");
    } else if (!skip_digits(parser)) {
        return fail(parser, "a digit was expected");
    }
    if (peek(parser) == '.') {
        parser->at++;
        if (!skip_digits(parser))
            return fail(parser, "a digit was expected");
    }
    if ((peek(parser) | 0x20) == 'e') {
        parser->at++;
        if (peek(parser) == '+' || peek(parser) == '-')
            parser->at++;
        if (!skip_digits(parser))
            return fail(parser, "a digit was expected");
    }
    add_node(parser, start, JSON_NUMBER, false);
    return true;
}

static inline bool read_word(struct parser *parser, const char *word, size_t length, enum json_type type)
{
    const char *start = parser->at;
    for (size_t i = 0; i < length; i++, parser->at++)
        if (peek(parser) != word[i])
            return fail(parser, "a value was expected");
    add_node(parser, start, type, false);
    return true;
}

static inline bool open_container(struct parser *parser, bool object)
{
    if (parser->depth == JSON_DEPTH_LIMIT)
        return fail(parser, "nested too deeply");
    parser->levels[parser->depth++] = (struct level){.node = parser->json->count, .object = object};
    add_node(parser, parser->at++, object ? JSON_OBJECT : JSON_ARRAY, false);
    return true;
}

static bool duplicate(struct parser *parser, uint32_t key)
{
    return fail_at(parser, parser->json->text + parser->json->nodes[key].start, "duplicate key");
}

/* Many keys go through a hash set when their object closes. */
[[gnu::noinline]] static bool check_many_keys(struct parser *parser, struct json_value object)
{
    struct json_key_set set;
    json_key_set_init(&set, object.json, json_count(object));
    bool unique = true;
    for (struct json_iterator i = json_begin(object); unique && json_step(&i);) {
        unique = json_key_set_add(&set, i.key.index);
        if (!unique)
            (void)duplicate(parser, i.key.index);
    }
    json_key_set_free(&set);
    return unique;
}

/* The newest key, the last node, is compared with the few before it. */
[[gnu::noinline]] static bool check_few_keys(struct parser *parser, const struct level *level)
{
    const struct json *json = parser->json;
    uint32_t newest = json->count - 1;
    for (uint32_t key = level->node + 1; key < newest; key = json->nodes[key + 1].next)
        if (json_same_string((struct json_value){json, key}, (struct json_value){json, newest}))
            return duplicate(parser, newest);
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
    if (key->escaped)
        bit = UINT64_MAX; /* as written it tells nothing: this key and all that follow are compared */
    bool maybe = (level->seen & bit) != 0;
    level->seen |= bit;
    if (!maybe)
        return true;
    if (level->count < JSON_KEY_SET_FROM)
        return check_few_keys(parser, level);
    level->maybe_duplicate = true;
    return true;
}

/* The parser is at the closing bracket. */
static inline bool close_container(struct parser *parser)
{
    const struct level *level = &parser->levels[parser->depth - 1];
    struct json_node *node = &parser->json->nodes[level->node];
    parser->at++;
    node->end = (uint32_t)(parser->at - parser->json->text);
    node->next = parser->json->count;
    node->count = level->count & COUNT_LIMIT;
    parser->depth--;
    return !level->maybe_duplicate || check_many_keys(parser, (struct json_value){parser->json, level->node});
}

/* A key and its colon. White space before it has been skipped. */
static inline bool read_key(struct parser *parser)
{
    if (peek(parser) != '"')
        return fail(parser, "a key was expected");
    if (!read_string(parser))
        return false;
    if (!check_key(parser, &parser->levels[parser->depth - 1]))
        return false;
    skip_spaces(parser);
    if (peek(parser) != ':')
        return fail(parser, "a colon was expected");
    parser->at++;
    return true;
}

/* Everything behind a value up to where the next one starts, or to the end of the text (*done). */
static inline bool read_behind_value(struct parser *parser, bool *done)
{
    while (parser->depth) {
        struct level *level = &parser->levels[parser->depth - 1];
        if (level->count++ == COUNT_LIMIT)
            return fail(parser, "too many elements");
        skip_spaces(parser);
        char byte = peek(parser);
        if (byte == ',') {
            parser->at++;
            skip_spaces(parser);
            return !level->object || read_key(parser);
        }
        if (byte != (level->object ? '}' : ']'))
            return fail(parser, level->object ? "a comma or } was expected" : "a comma or ] was expected");
        if (!close_container(parser))
            return false;
    }
    skip_spaces(parser);
    *done = true;
    return parser->at == parser->end || fail(parser, "something stands behind the value");
}

/* Reads one scalar or empty container, or opens a container (*opened: a value must follow). */
static inline bool read_value(struct parser *parser, bool *opened)
{
    skip_spaces(parser);
    switch (peek(parser)) {
    case '"':
        return read_string(parser);
    case '{':
        if (!open_container(parser, true))
            return false;
        skip_spaces(parser);
        if (peek(parser) == '}')
            return close_container(parser);
        *opened = true;
        return read_key(parser);
    case '[':
        if (!open_container(parser, false))
            return false;
        skip_spaces(parser);
        if (peek(parser) == ']')
            return close_container(parser);
        *opened = true;
        return true;
    case 't':
        return read_word(parser, "true", 4, JSON_TRUE);
    case 'f':
        return read_word(parser, "false", 5, JSON_FALSE);
    case 'n':
        return read_word(parser, "null", 4, JSON_NULL);
    default:
        if (peek(parser) == '-' || is_digit(peek(parser)))
            return read_number(parser);
        return fail(parser, "a value was expected");
    }
}

static bool read_text(struct parser *parser)
{
    for (;;) {
        bool opened = false;
        bool done = false;
        if (!read_value(parser, &opened))
            return false;
        if (opened)
            continue;
        if (!read_behind_value(parser, &done))
            return false;
        if (done)
            return true;
    }
}

bool json_parse(struct json *json, const char *text, size_t length)
{
    json->text = text;
    json->length = length;
    json->count = 0;
    json->compact = false;
    json->error = NULL;
    json->error_offset = 0;
    if (length > UINT32_MAX / 2) {
        json->error = "the text is too long";
        return false;
    }
    struct parser parser; /* the levels need no initial value */
    parser.json = json;
    parser.at = text;
    parser.end = text + length;
    parser.spaces = false;
    parser.depth = 0;
    if (!read_text(&parser)) {
        json->count = 0;
        return false;
    }
    json->compact = !parser.spaces;
    return true;
}
