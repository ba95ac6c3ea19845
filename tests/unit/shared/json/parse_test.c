/* What is JSON and what is not, in one go and in steps. */

#include "json_helpers.h"

static const char *const accepted[] = {
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-0.0",
    "1E5",
    "1e+5",
    "1e-5",
    "0e1",
    "0E+1",
    "20e1",
    "123.456e78",
    "[1,2]",
    " [ 1 , 2 ] ",
    "\t\n\r {} \t\n\r",
    "\"\"",
    "\" \"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\\u0041\"",
    "\"\\uFFFF\"",
    "\"\\ud83d\\ude00\"",
    "\"\\uD800\\uDC00\"",
    "\"\\uDBFF\\uDFFF\"",
    "\"\x7f\"",
    "\"/\"",
    "\"\xc2\x80\"",
    "\"\xdf\xbf\"",
    "\"\xe0\xa0\x80\"",
    "\"\xed\x9f\xbf\"",
    "\"\xee\x80\x80\"",
    "\"\xef\xbf\xbf\"",
    "\"\xf0\x90\x80\x80\"",
    "\"\xf4\x8f\xbf\xbf\"",
    "{\"\":0}",
    "{\"a\":{\"a\":1},\"b\":{\"a\":2}}",
    "{\"a\":1,\"A\":2}",
    "[1e400,-1e-400,9007199254740993,0.1000000000000000055511151231257827]",
    "\"a string that is longer than any block of bytes that is looked at in one go \\\" and has a quote\"",
};

struct refused {
    const char *text;
    size_t offset;
    const char *error; /* a part of it */
};

static const struct refused refused[] = {
    {"", 0, "too early"},
    {" ", 1, "too early"},
    {"[", 1, "too early"},
    {"{", 1, "too early"},
    {"{\"a\"", 4, "too early"},
    {"{\"a\":", 5, "too early"},
    {"{\"a\":1", 6, "too early"},
    {"[1,", 3, "too early"},
    {"\"abc", 4, "too early"},
    {"\"abc\\", 5, "too early"},
    {"tru", 3, "too early"},
    {"-", 1, "too early"},
    {"1.", 2, "too early"},
    {"1e", 2, "too early"},
    {"]", 0, "value"},
    {"[1,]", 3, "value"},
    {"[,1]", 1, "value"},
    {"[1 2]", 3, "comma"},
    {"[1}", 2, "comma"},
    {"{\"a\":1]", 6, "comma"},
    {"{\"a\":1,}", 7, "key"},
    {"{,}", 1, "key"},
    {"{a:1}", 1, "key"},
    {"{1:1}", 1, "key"},
    {"{'a':1}", 1, "key"},
    {"{\"a\" 1}", 5, "colon"},
    {"{\"a\",1}", 4, "colon"},
    {"{\"a\"::1}", 5, "value"},
    {"nul", 3, "too early"},
    {"nulL", 3, "value"},
    {"True", 0, "value"},
    {"NaN", 0, "value"},
    {"Infinity", 0, "value"},
    {"-Infinity", 1, "digit"},
    {"+1", 0, "value"},
    {".5", 0, "value"},
    {"01", 1, "leading zero"},
    {"-01", 2, "leading zero"},
    {"00", 1, "leading zero"},
    {"1.e5", 2, "digit"},
    {"1e+", 3, "too early"},
    {"1ee5", 2, "digit"},
    {"0x10", 1, "after"},
    {"1 2", 2, "after"},
    {"{}x", 2, "after"},
    {"[]]", 2, "after"},
    {"1,", 1, "after"},
    {"[1/* */]", 2, "comma"},
    {"\xef\xbb\xbf{}", 0, "value"},
    {"[\v1]", 1, "value"},
    {"[\xc2\xa0]", 1, "value"},
    {"\"\t\"", 1, "control"},
    {"\"\n\"", 1, "control"},
    {"\"abcdefghijklmnopqrstuvwxyz\x1f\"", 27, "control"},
    {"\"\\u0000\"", 1, "NUL"},
    {"\"\\x41\"", 1, "escape"},
    {"\"\\'\"", 1, "escape"},
    {"\"\\U0041\"", 1, "escape"},
    {"\"\\u00g0\"", 1, "hexadecimal"},
    {"\"\\u12\"", 1, "hexadecimal"},
    {"\"\\ud800\"", 1, "surrogate"},
    {"\"\\udc00\"", 1, "surrogate"},
    {"\"\\ud800\\u0041\"", 1, "surrogate"},
    {"\"\\ud800\\ud800\"", 1, "surrogate"},
    {"\"\\ud800x\"", 1, "surrogate"},
    {"\"\\ude00\\ud83d\"", 1, "surrogate"},
    {"\"a\x80\"", 2, "UTF-8"},
    {"\"\xc0\xaf\"", 1, "UTF-8"},
    {"\"\xc1\xbf\"", 1, "UTF-8"},
    {"\"\xc2\"", 1, "UTF-8"},
    {"\"\xc2", 1, "UTF-8"},
    {"\"\xe0\x9f\xbf\"", 1, "UTF-8"},
    {"\"\xed\xa0\x80\"", 1, "UTF-8"},
    {"\"\xed\xbf\xbf\"", 1, "UTF-8"},
    {"\"\xe2\x82\"", 1, "UTF-8"},
    {"\"\xf0\x8f\xbf\xbf\"", 1, "UTF-8"},
    {"\"\xf4\x90\x80\x80\"", 1, "UTF-8"},
    {"\"\xf5\x80\x80\x80\"", 1, "UTF-8"},
    {"\"\xff\"", 1, "UTF-8"},
    {"{\"a\":1,\"a\":1}", 7, "duplicate"},
    {"{\"\":1,\"\":1}", 6, "duplicate"},
    {"{\"a\":1,\"\\u0061\":2}", 7, "duplicate"},
    {"{\"\\u0061\":1,\"a\":2}", 12, "duplicate"},
    {"{\"\\u00e9\":1,\"\xc3\xa9\":2}", 12, "duplicate"},
    {"{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", 18, "duplicate"},
    {"{\"\\/\":1,\"/\":2}", 8, "duplicate"},
    {"[{\"x\":{\"k\":[],\"l\":0,\"k\":{}}}]", 20, "duplicate"},
};

static void accepts_what_is_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(accepted); i++) {
        struct json json = parsed(accepted[i]);
        assert_non_null(json_root(&json).json);
        parsed_free(&json);
    }
}

static void refuses_what_is_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        size_t length = strlen(refused[i].text);
        char *copy = malloc(length ? length : 1);
        assert_non_null(copy);
        memcpy(copy, refused[i].text, length);
        struct json json = {0};
        if (json_parse(&json, copy, length))
            fail_msg("accepted: %s", refused[i].text);
        if (!strstr(json.error, refused[i].error) || json.error_offset != refused[i].offset)
            fail_msg("%s: %s at %zu", refused[i].text, json.error, json.error_offset);
        assert_null(json_root(&json).json);
        json_free(&json);
        free(copy);
    }
}

static void refuses_raw_nul(void **state)
{
    (void)state;
    struct json json = {0};
    assert_false(json_parse(&json, "\"a\0b\"", 5));
    assert_int_equal(json.error_offset, 2);
    assert_false(json_parse(&json, "[1\0]", 4));
    assert_false(json_parse(&json, "1\0", 2));
    assert_int_equal(json.error_offset, 1);
    json_free(&json);
}

/* Every prefix of a good text is refused, whatever is cut. */
static void refuses_every_prefix(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\":[1.5e+3,true,false,null,{\"\\ud83d\\ude00\":\"\xf0\x9f\x98\x80\"},-0],\"b\":{}}";
    struct json json = {0};
    for (size_t length = 0; length < sizeof(text) - 1; length++) {
        char *copy = malloc(length ? length : 1);
        assert_non_null(copy);
        memcpy(copy, text, length);
        assert_false(json_parse(&json, copy, length));
        assert_true(json.error_offset <= length);
        free(copy);
    }
    assert_true(json_parse(&json, text, sizeof(text) - 1));
    json_free(&json);
}

static void limits_depth(void **state)
{
    (void)state;
    char text[400];
    struct json json = {0};
    for (size_t depth = JSON_DEPTH_LIMIT; depth <= JSON_DEPTH_LIMIT + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(json_parse(&json, text, 2 * depth), depth == JSON_DEPTH_LIMIT);
    }
    assert_int_equal(json.error_offset, JSON_DEPTH_LIMIT);
    assert_string_equal(json.error, "nested too deeply");

    /* objects count as well, and a scalar at the bottom is no level */
    struct buffer objects = {0};
    for (size_t i = 0; i < JSON_DEPTH_LIMIT; i++)
        buffer_append_text(&objects, "{\"a\":");
    buffer_append_text(&objects, "1");
    for (size_t i = 0; i < JSON_DEPTH_LIMIT; i++)
        buffer_append_byte(&objects, '}');
    assert_true(json_parse(&json, objects.data, objects.length));
    buffer_free(&objects);
    json_free(&json);
}

/* What a server sends may nest deeper; a text says how many levels it has, also one that is parsed again. */
static void counts_levels(void **state)
{
    (void)state;
    struct json json = {0};
    static const struct {
        const char *text;
        unsigned depth;
    } table[] = {{"1", 0}, {"[]", 1}, {"{\"a\":{}}", 2}, {"[[],[[1]],{}]", 3}, {"[", 1}};
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        assert_int_equal(json_parse(&json, table[i].text, strlen(table[i].text)), table[i].text[1] || !i);
        assert_int_equal(json.depth, table[i].depth);
    }
    for (size_t levels = JSON_DEPTH_LIMIT; levels <= JSON_DEPTH_ANSWER + 1; levels++) {
        struct buffer text = {0}, compact = {0};
        memset(buffer_reserve(&text, levels), '[', levels);
        text.length = levels;
        buffer_append_byte(&text, ' ');
        memset(buffer_reserve(&text, levels), ']', levels);
        text.length += levels;
        assert_int_equal(json_parse(&json, text.data, text.length), levels <= JSON_DEPTH_LIMIT);
        bool good = json_parse_answer(&json, text.data, text.length);
        assert_int_equal(good, levels <= JSON_DEPTH_ANSWER);
        assert_int_equal(json.depth, good ? levels : JSON_DEPTH_ANSWER);
        if (good)
            json_append_compact(&compact, json_root(&json));
        assert_int_equal(compact.length, good ? 2 * levels : 0);
        buffer_free(&text);
        buffer_free(&compact);
    }
    json_free(&json);
}

/* @count members with different keys; then one more, written with an escape, that equals number @twice. */
static void object_with_duplicate(struct buffer *out, unsigned count, int twice)
{
    buffer_clear(out);
    buffer_append_byte(out, '{');
    for (unsigned i = 0; i < count; i++)
        buffer_append_format(out, "%s\"key%u\":%u", i ? "," : "", i, i);
    if (twice >= 0)
        buffer_append_format(out, ",\"\\u006bey%d\":0", twice);
    buffer_append_byte(out, '}');
}

static void finds_duplicates_among_many(void **state)
{
    (void)state;
    struct json json = {0};
    struct buffer text = {0};
    static const unsigned counts[] = {1, 2, 8, 15, 16, 17, 18, 64, 1000, 50000};
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        object_with_duplicate(&text, counts[i], -1);
        assert_true(json_parse(&json, text.data, text.length));
        assert_int_equal(json_count(json_root(&json)), counts[i]);
        object_with_duplicate(&text, counts[i], (int)counts[i] / 2);
        assert_false(json_parse(&json, text.data, text.length));
        assert_string_equal(json.error, "duplicate key");
        assert_int_equal(text.data[json.error_offset + 1], '\\');
    }
    buffer_free(&text);
    json_free(&json);
}

/* In steps of @units, of which each finds the text at another place. Returns the largest step. */
static uint64_t parse_in_steps(struct json *json, struct slice text, uint64_t units, bool keys_differ,
                               enum json_parsed *result)
{
    uint64_t largest = 0;
    char *copy = memcpy(malloc(text.length + 1), text.data, text.length);
    struct json_parsing *parsing = json_parsing_create(json, slice_of(copy, text.length), keys_differ);
    do {
        uint64_t step = units;
        char *moved = memcpy(malloc(text.length + 1), copy, text.length);
        memset(copy, 'x', text.length);
        free(copy);
        json->text = copy = moved;
        *result = json_parsing_go_on(parsing, &step);
        largest = step > largest ? step : largest;
    } while (*result == JSON_PARSED_MORE);
    json_parsing_free(&parsing);
    assert_null(parsing);
    free(copy);
    return largest;
}

/* What comes of it is the same, whatever a step is. */
static void check_steps(struct slice text, uint64_t units)
{
    struct json whole = {0}, pieces = {0};
    enum json_parsed result;
    bool good = json_parse(&whole, text.data, text.length);
    parse_in_steps(&pieces, text, units, false, &result);
    assert_int_equal(result, good ? JSON_PARSED_ALL : JSON_PARSED_NOT);
    assert_int_equal(pieces.count, whole.count);
    assert_int_equal(pieces.compact, whole.compact);
    assert_int_equal(pieces.error_offset, whole.error_offset);
    assert_ptr_equal(pieces.error, whole.error);
    if (good)
        assert_memory_equal(pieces.nodes, whole.nodes, whole.count * sizeof *whole.nodes);
    json_free(&whole);
    json_free(&pieces);
}

static void parses_in_steps(void **state)
{
    (void)state;
    struct buffer text = {0};
    for (uint64_t units = 1; units < 20; units += 3) {
        for (size_t i = 0; i < COUNT_OF(accepted); i++)
            check_steps(slice_text(accepted[i]), units);
        for (size_t i = 0; i < COUNT_OF(refused); i++)
            check_steps(slice_text(refused[i].text), units);
    }
    static const unsigned counts[] = {1, 15, 16, 17, 18, 64, 1000, 50000};
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        for (int twice = -1; twice < (int)counts[i]; twice += (int)counts[i]) {
            object_with_duplicate(&text, counts[i], twice);
            check_steps(buffer_slice(&text), 1000);
        }
    buffer_free(&text);
}

/* Each step is about what it may be, also while keys are looked at, and for nothing is anything done. */
static void steps_are_short(void **state)
{
    (void)state;
    struct json json = {0};
    struct buffer text = {0};
    enum json_parsed result;
    object_with_duplicate(&text, 50000, -1);
    assert_in_range(parse_in_steps(&json, buffer_slice(&text), 1000, false, &result), 1000, 20000);
    assert_int_equal(result, JSON_PARSED_ALL);
    assert_int_equal(json_count(json_root(&json)), 50000);
    assert_in_range(parse_in_steps(&json, buffer_slice(&text), 1000, true, &result), 1000, 1010);
    assert_int_equal(result, JSON_PARSED_ALL);
    /* Who gives up in the middle leaves nothing behind. */
    uint64_t units = 180000;
    struct json_parsing *parsing = json_parsing_create(&json, buffer_slice(&text), false);
    assert_int_equal(json_parsing_go_on(parsing, &units), JSON_PARSED_MORE);
    json_parsing_free(&parsing);
    buffer_free(&text);
    json_free(&json);
}

/* Keys that are long, and different only at their ends: not each is compared with all before it. */
static void long_keys_are_told_apart(void **state)
{
    (void)state;
    struct json json = {0};
    struct buffer text = {0};
    buffer_append_byte(&text, '{');
    for (unsigned i = 0; i < 16; i++) {
        buffer_append_text(&text, i ? ",\"\\u0061" : "\"\\u0061");
        for (unsigned k = 0; k < 1000; k++)
            buffer_append_text(&text, "0123456789");
        buffer_append_format(&text, "%x\":0", i);
    }
    buffer_append_byte(&text, '}');
    assert_true(json_parse(&json, text.data, text.length));
    check_steps(buffer_slice(&text), 100);
    text.data[text.length - 5] = 'e';
    assert_false(json_parse(&json, text.data, text.length));
    assert_string_equal(json.error, "duplicate key");
    check_steps(buffer_slice(&text), 100);
    buffer_free(&text);
    json_free(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_is_json),
        cmocka_unit_test(refuses_what_is_not),
        cmocka_unit_test(refuses_raw_nul),
        cmocka_unit_test(refuses_every_prefix),
        cmocka_unit_test(limits_depth),
        cmocka_unit_test(counts_levels),
        cmocka_unit_test(finds_duplicates_among_many),
        cmocka_unit_test(parses_in_steps),
        cmocka_unit_test(steps_are_short),
        cmocka_unit_test(long_keys_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
