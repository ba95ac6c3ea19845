/* What was read: values, texts, numbers; and what is UTF-8. */

#include "json_helpers.h"

static void compacts(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {" [ ] ", "[]"},
        {"\t{ }\n", "{}"},
        {"[ 1 , [ ] , { } , \"a b\" ]", "[1,[],{},\"a b\"]"},
        {"{ \"a b\" : { \"c\" : [ 1.0 , -0 ] } , \"d\" : null }", "{\"a b\":{\"c\":[1.0,-0]},\"d\":null}"},
        {" [ 9007199254740993 , 1e400 , -0 , 0.1000 , 1E+2 ] ", "[9007199254740993,1e400,-0,0.1000,1E+2]"},
        {" \"\\u0041\\/\" ", "\"\\u0041\\/\""},
    };
    struct buffer out = {0};
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct json json = parsed(table[i][0]);
        assert_false(json.compact);
        json_append_compact(&out, json_root(&json));
        assert_buffer(&out, table[i][1]);
        parsed_free(&json);
        json = parsed(table[i][1]);
        assert_true(json.compact);
        json_append_compact(&out, json_root(&json));
        assert_buffer(&out, table[i][1]);
        parsed_free(&json);
    }
    struct json json = parsed("{ \"a\" : [ 1 , { \"b\" : 2 } ] }");
    json_append_compact(&out, json_member(json_root(&json), SLICE("a")));
    assert_buffer(&out, "[1,{\"b\":2}]");
    parsed_free(&json);
    buffer_free(&out);
}

static void walks(void **state)
{
    (void)state;
    struct json json = parsed("{\"a\":[10,[11],12],\"\\u0062\":{\"c\":true},\"\":\"x\"}");
    struct json_value root = json_root(&json);
    assert_int_equal(json_count(root), 3);
    int64_t number = 0;
    unsigned seen = 0;
    for (struct json_iterator i = json_begin(json_member(root, SLICE("a"))); json_step(&i); seen++) {
        assert_null(i.key.json);
        assert_int_equal(json_integer(i.value, &number), seen != 1);
    }
    assert_int_equal(seen, 3);
    assert_int_equal(number, 12);
    struct json_iterator i = json_begin(root);
    assert_true(json_step(&i) && json_string_is(i.key, SLICE("a")) && json_type(i.value) == JSON_ARRAY);
    assert_true(json_step(&i) && json_string_is(i.key, SLICE("b")) && json_type(i.value) == JSON_OBJECT);
    assert_true(json_step(&i) && json_string_is(i.key, SLICE("")) && json_type(i.value) == JSON_STRING);
    assert_false(json_step(&i));

    bool truth = false;
    assert_true(json_boolean(json_member(json_member(root, SLICE("b")), SLICE("c")), &truth) && truth);
    assert_true(json_string_is(json_member(root, SLICE("")), SLICE("x")));
    assert_null(json_member(root, SLICE("c")).json);
    assert_null(json_member(json_member(root, SLICE("a")), SLICE("0")).json);
    assert_null(json_text(json_member(root, SLICE("c"))).data);
    i = json_begin(json_member(root, SLICE("")));
    assert_false(json_step(&i));
    parsed_free(&json);
}

/* Each value of some texts, as if it had been parsed alone. */
static void takes_values_out(void **state)
{
    (void)state;
    static const char *const texts[] = {"{\"a\":[1,{\"b\\u0062\":[[],{}]},\"x\"],\"c\":null}",
                                        " { \"a\" : [ 1 , { } , [ [ true ] ] ] } ", "7"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct json whole = parsed(texts[i]);
        for (uint32_t at = 0; at < whole.count; at++) {
            struct json_value value = {&whole, at};
            struct slice text = json_text(value);
            struct json taken = {0}, alone = {0};
            json_take_out(&taken, text.data, value);
            assert_true(json_parse(&alone, text.data, text.length));
            assert_int_equal(taken.count, alone.count);
            assert_int_equal(taken.length, alone.length);
            assert_true(!taken.compact || alone.compact);
            assert_memory_equal(taken.nodes, alone.nodes, taken.count * sizeof *taken.nodes);
            json_free(&taken);
            json_free(&alone);
        }
        parsed_free(&whole);
    }
}

static void unescapes(void **state)
{
    (void)state;
    struct json json = parsed("[\"plain\",\"a\\n\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\\"\\/z\",7]");
    struct json_iterator i = json_begin(json_root(&json));
    struct buffer scratch = {0};
    assert_true(json_step(&i));
    struct slice plain = json_string(i.value, &scratch);
    assert_true(slice_equal(plain, SLICE("plain")) && scratch.length == 0);
    assert_true(json_step(&i));
    struct slice expected = SLICE("a\nA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"/z");
    assert_true(slice_equal(json_string(i.value, &scratch), expected));
    assert_true(json_string_is(i.value, expected));
    expected.length--;
    assert_false(json_string_is(i.value, expected));
    assert_false(json_string_is(i.value, SLICE("a\nA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"/z.")));
    assert_true(json_step(&i));
    assert_null(json_string(i.value, &scratch).data);
    assert_false(json_string_is(i.value, SLICE("7")));
    buffer_free(&scratch);
    parsed_free(&json);
}

static void escapes(void **state)
{
    (void)state;
    struct buffer out = {0};
    json_append_string(
        &out, SLICE("a\"b\\c/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9\xf0\x9f\x98\x80 and a longer plain tail"));
    assert_buffer(
        &out,
        "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\xf0\x9f\x98\x80 and a longer plain tail\"");
    json_append_string(&out, SLICE(""));
    assert_buffer(&out, "\"\"");
    json_append_string(&out, SLICE("\0"));
    assert_buffer(&out, "\"\\u0000\"");
    buffer_free(&out);
}

static void reads_integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool integer;
        int64_t value;
    } table[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"-0.000e99", true, 0},
        {"0e99999999999999999999999", true, 0},
        {"3", true, 3},
        {"3.0", true, 3},
        {"1e2", true, 100},
        {"1E+2", true, 100},
        {"1200e-2", true, 12},
        {"0.0012e4", true, 12},
        {"12.5e1", true, 125},
        {"9007199254740993", true, INT64_C(9007199254740993)},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775807.000", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9.223372036854775807e18", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999", false, 0},
        {"1e19", false, 0},
        {"1e400", false, 0},
        {"1e99999999999999999999999", false, 0},
        {"1e-99999999999999999999999", false, 0},
        {"1.5", false, 0},
        {"15e-1", false, 0},
        {"0.1", false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct json json = parsed(table[i].text);
        int64_t value = 0;
        if (json_integer(json_root(&json), &value) != table[i].integer || value != table[i].value)
            fail_msg("%s: %lld", table[i].text, (long long)value);
        parsed_free(&json);
    }
    struct json json = parsed("\"3\"");
    int64_t value;
    assert_false(json_integer(json_root(&json), &value));
    parsed_free(&json);
}

static void checks_utf8(void **state)
{
    (void)state;
    assert_true(json_utf8_valid("", 0));
    assert_true(json_utf8_valid("plain text \0 and more\xc3\xa9", 23));
    assert_true(json_utf8_valid("\xf4\x8f\xbf\xbf", 4));
    assert_false(json_utf8_valid("\xf4\x90\x80\x80", 4));
    assert_false(json_utf8_valid("\xed\xa0\x80", 3));
    assert_false(json_utf8_valid("\xc0\x80", 2));
    assert_false(json_utf8_valid("12345678\xe2\x82", 10));
    assert_false(json_utf8_valid("\x80", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compacts),    cmocka_unit_test(walks),   cmocka_unit_test(takes_values_out),
        cmocka_unit_test(unescapes),   cmocka_unit_test(escapes), cmocka_unit_test(reads_integers),
        cmocka_unit_test(checks_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
