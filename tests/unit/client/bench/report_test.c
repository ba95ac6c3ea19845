#include "client/bench/report.h"
#include "tests/unit/quoted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct report_cell cells[] = {
    {"probes", "probes", 12, 0, false},
    {"detail_max_ms", "longest", 3.456, 2, false},
    {"ended", "cut off", 0, 0, true},
    {"refused_busy", "busy", 7, 0, true},
};
enum { CELLS = sizeof cells / sizeof *cells };

static void append_rows(struct report *report)
{
    report_text(report, "case", "case", "fairness");
    report_row(report, "quiet", true, cells, CELLS);
    report_row(report, "patch", false, cells, CELLS);
    buffer_append_byte(&report->text, 0);
}

static void a_row_is_an_object(void **state)
{
    (void)state;
    struct report report = {.json = true};
    append_rows(&report);
    assert_string_equal(report.text.data,
                        Q("{'case':'fairness',"
                          "'quiet':{'probes':12,'detail_max_ms':3.46,'ended':0,'refused_busy':7},"
                          "'patch':{'probes':12,'detail_max_ms':3.46,'ended':0,'refused_busy':7}"));
    buffer_free(&report.text);
}

static void for_people_there_is_a_head_and_what_is_nothing_is_left_out(void **state)
{
    (void)state;
    struct report report = {0};
    append_rows(&report);
    const char *head = strstr(report.text.data, "probes");
    assert_non_null(head);
    assert_null(strstr(head + 1, "probes"));
    assert_non_null(strstr(report.text.data, "\nquiet "));
    assert_non_null(strstr(report.text.data, "\npatch "));
    assert_non_null(strstr(report.text.data, " 3.46  busy 7\n"));
    assert_null(strstr(report.text.data, "cut off"));
    buffer_free(&report.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_is_an_object),
        cmocka_unit_test(for_people_there_is_a_head_and_what_is_nothing_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
