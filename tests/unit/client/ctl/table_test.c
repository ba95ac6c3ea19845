#include "client/ctl/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void expect(size_t columns, const struct slice *cells, size_t count, const char *expected)
{
    struct table table = {.columns = columns};
    struct buffer out = {0};
    for (size_t i = 0; i < count; i++)
        table_add(&table, cells[i]);
    table_append(&table, &out);
    buffer_append_byte(&out, 0);
    assert_string_equal(out.data, expected);
    table_free(&table);
    buffer_free(&out);
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    (void)state;
    const struct slice cells[] = {SLICE("A"),    SLICE("LONG"), SLICE("B"),
                                  SLICE("wide"), SLICE("x"),    SLICE("b")};
    expect(3, cells, 6, "A     LONG  B\nwide  x     b\n");
}

static void characters_are_counted_not_bytes(void **state)
{
    (void)state;
    const struct slice cells[] = {SLICE("\xc3\xa9\xe2\x82\xac"), SLICE("1"), SLICE("abc"), SLICE("2")};
    expect(2, cells, 4, "\xc3\xa9\xe2\x82\xac   1\nabc  2\n");
}

static void nothing_is_shown_as_a_dash(void **state)
{
    (void)state;
    const struct slice cells[] = {SLICE(""), {0}};
    expect(2, cells, 2, "-  -\n");
}

static void nothing_reaches_the_terminal_but_text(void **state)
{
    (void)state;
    const struct slice cells[] = {SLICE("a\x1b[31m\n\x7f"), SLICE("\xc2\x9b"
                                                                  "31m\xc2\xa0")};
    expect(2, cells, 2, "a?[31m??  ?31m\xc2\xa0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(characters_are_counted_not_bytes),
        cmocka_unit_test(nothing_is_shown_as_a_dash),
        cmocka_unit_test(nothing_reaches_the_terminal_but_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
