/* Which files clients can be told of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shared/watch/file_name.h"

static void test_names(void **state)
{
    (void)state;
    char longest[FILE_NAME_MOST + 1];
    memset(longest, 'x', sizeof longest);
    assert_true(file_name_is_valid(SLICE("a")));
    assert_true(file_name_is_valid(SLICE("two words \"quoted\" \\ \xc3\xa4 \xf0\x9f\x90\x84")));
    assert_true(file_name_is_valid(slice_of(longest, FILE_NAME_MOST)));
    assert_false(file_name_is_valid(slice_of(longest, FILE_NAME_MOST + 1)));
    assert_false(file_name_is_valid(SLICE("")));
    assert_false(file_name_is_valid(SLICE("\xff")));
    assert_false(file_name_is_valid(SLICE("half \xc3")));
    assert_false(file_name_is_valid(SLICE("line\nfeed")));
    assert_false(file_name_is_valid(SLICE("del\x7f")));
    assert_false(file_name_is_valid(SLICE("n\0l")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
