/* Values compare by what they mean, numbers exactly. */

#include "json_helpers.h"
#include "shared/json/number.h"

#include "shared/json/compare.h"

static void orders_numbers_exactly(void **state)
{
    (void)state;
    /* Each is less than the next. */
    static const char *const ascending[] = {
        "-1e99999999999999999999999999",
        "-1e400",
        "-9007199254740993",
        "-9007199254740992",
        "-1.5",
        "-1",
        "-1e-400",
        "0",
        "1e-99999999999999999999999999",
        "1e-400",
        "0.1",
        "0.1000000000000000055511151231257827",
        "1",
        "1.0000000000000000000000000000000001",
        "10",
        "9007199254740992",
        "9007199254740993",
        "9007199254740993.5",
        "9223372036854775807",
        "9223372036854775808",
        "1e399",
        "1e400",
        "1.1e400",
        "1e999999999999999999",
        "1e1000000000000000000",
        "1e99999999999999999999999998",
        "1e99999999999999999999999999",
        "10.1e99999999999999999999999998",
    };
    for (size_t i = 0; i < COUNT_OF(ascending); i++)
        for (size_t j = 0; j < COUNT_OF(ascending); j++) {
            int order = json_number_compare(slice_text(ascending[i]), slice_text(ascending[j]));
            if ((order > 0) - (order < 0) != (i > j) - (i < j))
                fail_msg("%s and %s: %d", ascending[i], ascending[j], order);
        }
}

static void finds_equal_numbers(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"1", "1.0"},
        {"1", "1e0"},
        {"1", "0.1e1"},
        {"1", "10e-1"},
        {"100", "1E+2"},
        {"0", "-0"},
        {"0", "0.000e-999999999999999999999"},
        {"1.50", "15e-1"},
        {"0.00001", "1e-5"},
        {"1e400", "0.01e402"},
        {"1e00005", "100000"},
        {"10e99999999999999999999999999", "1e100000000000000000000000000"},
        {"0.1e-99999999999999999999999999", "1e-100000000000000000000000000"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (json_number_compare(slice_text(table[i][0]), slice_text(table[i][1])) != 0)
            fail_msg("%s and %s", table[i][0], table[i][1]);
}

static bool compare_texts(bool (*equality)(struct json_value, struct json_value), const char *a,
                          const char *b)
{
    struct json left = parsed(a);
    struct json right = parsed(b);
    bool equal = equality(json_root(&left), json_root(&right));
    assert_int_equal(equality(json_root(&right), json_root(&left)), equal);
    parsed_free(&left);
    parsed_free(&right);
    return equal;
}

static bool equal_texts(const char *a, const char *b)
{
    return compare_texts(json_equal, a, b);
}

static void compares_values(void **state)
{
    (void)state;
    assert_true(equal_texts("{'a':1,'b':[1,2]}", "{'b':[1.0,2],'\\u0061':1}"));
    assert_true(equal_texts("'\\u00e9\\n'", "'\xc3\xa9\\u000a'"));
    assert_true(equal_texts("[[],{},null,true]", "[ [ ] , { } , null , true ]"));
    assert_false(equal_texts("{'a':1}", "{'a':1,'b':null}"));
    assert_false(equal_texts("{'a':1}", "{'b':1}"));
    assert_false(equal_texts("[1,2]", "[2,1]"));
    assert_false(equal_texts("[1,2]", "[1,2,3]"));
    assert_false(equal_texts("1", "'1'"));
    assert_false(equal_texts("true", "false"));
    assert_false(equal_texts("[]", "{}"));
    assert_false(equal_texts("'a'", "'A'"));
}

/* By digits: only numbers differ from what json_equal() says of them. */
static void compares_digits(void **state)
{
    (void)state;
    static const char *const numbers[][2] = {
        {"1.50", "1.5"},
        {"1", "1.0"},
        {"0", "-0"},
        {"1e2", "100"},
        {"1e2", "1E2"},
        {"[[1.50]]", "[[1.5]]"},
        {"{'a':{'b':[0,1.0]}}", "{'a':{'b':[0,1]}}"},
        {"{'a':1,'b':2.0}", "{'b':2,'a':1}"},
    };
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        if (!equal_texts(numbers[i][0], numbers[i][1]))
            fail_msg("%s and %s are equal", numbers[i][0], numbers[i][1]);
        if (compare_texts(json_same_digits, numbers[i][0], numbers[i][1]))
            fail_msg("%s and %s have other digits", numbers[i][0], numbers[i][1]);
    }
    static const char *const same[][2] = {
        {"1.50", " 1.50"},
        {"{'a':1,'b':[1.0,2]}", "{'b':[1.0,2],'\\u0061':1}"},
        {"'\\u00e9\\n'", "'\xc3\xa9\\u000a'"},
        {"[[],{},null,true]", "[ [ ] , { } , null , true ]"},
    };
    for (size_t i = 0; i < COUNT_OF(same); i++)
        if (!compare_texts(json_same_digits, same[i][0], same[i][1]))
            fail_msg("%s and %s are the same", same[i][0], same[i][1]);
    assert_false(compare_texts(json_same_digits, "{'a':1}", "{'b':1}"));
    assert_false(compare_texts(json_same_digits, "[1,2]", "[2,1]"));
}

static void compares_large_objects_in_any_order(void **state)
{
    (void)state;
    enum { MEMBERS = 20000 };
    struct buffer forth = {0};
    struct buffer back = {0};
    for (unsigned i = 0; i < MEMBERS; i++) {
        buffer_append_format(&forth, "%c'k%u':%u", i ? ',' : '{', i, i);
        buffer_append_format(&back, "%c'k%u':%u", i ? ',' : '{', MEMBERS - 1 - i, MEMBERS - 1 - i);
    }
    buffer_append_text(&forth, "}");
    buffer_append_text(&back, "}");
    buffer_append_byte(&forth, 0);
    buffer_append_byte(&back, 0);
    assert_true(equal_texts(forth.data, back.data));
    back.data[back.length - 3] = '1'; /* the value of k0 */
    assert_false(equal_texts(forth.data, back.data));
    buffer_free(&forth);
    buffer_free(&back);
}

static void orders_values(void **state)
{
    (void)state;
    static const char *const ascending[] = {
        "null", "false",  "true", "-1",   "2",         "10",        "''",
        "'a'",  "'a\\n'", "'b'",  "'ba'", "'\\u00e9'", "'\\uffff'", "'\\ud800\\udc00'",
        "[]",   "[1]",    "[2]",  "[10]", "{}",
    };
    for (size_t i = 0; i < COUNT_OF(ascending); i++)
        for (size_t j = 0; j < COUNT_OF(ascending); j++) {
            struct json left = parsed(ascending[i]);
            struct json right = parsed(ascending[j]);
            int order = json_order(json_root(&left), json_root(&right));
            if ((order > 0) - (order < 0) != (i > j) - (i < j))
                fail_msg("%s and %s: %d", ascending[i], ascending[j], order);
            parsed_free(&left);
            parsed_free(&right);
        }
    struct json null = parsed("null");
    assert_true(json_order((struct json_value){NULL, 0}, json_root(&null)) < 0);
    parsed_free(&null);
}

static void follows_paths(void **state)
{
    (void)state;
    struct json json = parsed("{'a':{'b':[10,{'c':'x'}],'0':'zero'},'':{'':1}}");
    const char *const table[][2] = {
        {"a.b.0", "10"}, {"a.b.1.c", Q("'x'")}, {"a.0", Q("'zero'")}, {".", "1"},
        {"a.b.2", NULL}, {"a.b.01", NULL},      {"a.b.c", NULL},      {"a.b.-1", NULL},
        {"a.x.y", NULL}, {"a.b.0.c", NULL},     {"b", NULL},          {"a.b.99999999999", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct slice text = json_text(json_at_path(json_root(&json), slice_text(table[i][0])));
        if (!text.data != !table[i][1] || (text.data && !slice_equal(text, slice_text(table[i][1]))))
            fail_msg("%s: %.*s", table[i][0], (int)text.length, text.data);
    }
    parsed_free(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_numbers_exactly),
        cmocka_unit_test(finds_equal_numbers),
        cmocka_unit_test(compares_values),
        cmocka_unit_test(compares_digits),
        cmocka_unit_test(compares_large_objects_in_any_order),
        cmocka_unit_test(orders_values),
        cmocka_unit_test(follows_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
