#include "client/c/input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void leaves_a_mark_out(void **state)
{
    (void)state;
    size_t skip = 9;
    assert_null(input_foreign(SLICE("{\"a\":1}"), &skip));
    assert_int_equal(skip, 0);
    assert_null(input_foreign(SLICE("\xEF\xBB\xBF{}"), &skip));
    assert_int_equal(skip, 3);
    assert_null(input_foreign(SLICE(""), &skip));
    assert_null(input_foreign(SLICE("x"), &skip));
    assert_null(input_foreign(SLICE("\xEF\xBB"), &skip));
    assert_int_equal(skip, 0);
}

static void tells_other_encodings(void **state)
{
    (void)state;
    static const struct {
        struct slice head;
        const char *name;
    } cases[] = {
        {{"\xFF\xFE{\0", 4}, "UTF-16 "},        {{"\xFE\xFF\0{", 4}, "UTF-16 "},
        {{"{\0\"\0", 4}, "UTF-16LE"},           {{"\0{\0\"", 4}, "UTF-16BE"},
        {{"\xFF\xFE", 2}, "UTF-16 "},           {{"\xFF\xFE\0\0{\0\0\0", 8}, "UTF-32"},
        {{"\0\0\xFE\xFF\0\0\0{", 8}, "UTF-32"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t skip;
        const char *what = input_foreign(cases[i].head, &skip);
        assert_non_null(what);
        assert_non_null(strstr(what, cases[i].name));
    }
}

static void tells_what_packed_it(void **state)
{
    (void)state;
    assert_null(input_packed(SLICE("\x1F\x8B\x08")));
    assert_null(input_packed(SLICE("{}")));
    assert_non_null(strstr(input_packed(SLICE("PK\x03\x04")), "ZIP"));
    assert_non_null(strstr(input_packed(SLICE("\x28\xB5\x2F\xFD")), "zstd"));
    assert_non_null(strstr(input_packed(slice_of("\xFD\x37\x7A\x58\x5A\0", 6)), "xz"));
    assert_non_null(strstr(input_packed(SLICE("BZh9")), "bzip2"));
}

static void a_password_is_what_was_typed(void **state)
{
    (void)state;
    static const struct {
        const char *line, *password, *problem;
    } cases[] = {
        {"a word", "a word", NULL},
        {" a word ", " a word ", NULL},
        {"a word\r", "a word", NULL},
        {"a\rb\r\r", "a\rb\r", NULL},
        {"\xEF\xBB\xBF"
         "a word\r",
         "a word", NULL},
        {"BZh and so on", "BZh and so on", NULL},
        {"", NULL, "empty"},
        {"\r", NULL, "empty"},
        {"\xEF\xBB\xBF", NULL, "empty"},
        {"\xFF\xFE"
         "a",
         NULL, "UTF-16"},
        {"a\xFF"
         "b",
         NULL, "not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice password;
        const char *problem = input_password(slice_text(cases[i].line), &password);
        if (cases[i].problem) {
            assert_non_null(problem);
            assert_non_null(strstr(problem, cases[i].problem));
        } else {
            assert_null(problem);
            assert_true(slice_equal(password, slice_text(cases[i].password)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_a_mark_out),
        cmocka_unit_test(tells_other_encodings),
        cmocka_unit_test(tells_what_packed_it),
        cmocka_unit_test(a_password_is_what_was_typed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
