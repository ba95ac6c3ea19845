#include "daemon/master/stall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { SECOND = 1000, TIMEOUT = 60 * SECOND };

/* Looks @seconds times, a second apart; returns how often the verdict was @wanted. */
static unsigned look(struct stall *stall, unsigned seconds, bool patience, enum stall_verdict wanted)
{
    unsigned count = 0;
    for (unsigned i = 0; i < seconds; i++)
        count += stall_judge(stall, stall->passes, SECOND, TIMEOUT, patience) == wanted;
    return count;
}

static void kills_once_after_the_time(void **state)
{
    (void)state;
    struct stall stall = {.passes = 7};
    assert_int_equal(look(&stall, 59, false, STALL_KILL), 0);
    assert_int_equal(stall_judge(&stall, 7, SECOND, TIMEOUT, false), STALL_KILL);
    assert_int_equal(look(&stall, 100, false, STALL_KILL), 0);
}

static void says_it_less_and_less_often(void **state)
{
    (void)state;
    struct stall stall = {.passes = 7};
    assert_int_equal(look(&stall, 4, true, STALL_MOVES), 4);
    assert_int_equal(stall_judge(&stall, 7, SECOND, TIMEOUT, true), STALL_SAY);
    assert_int_equal(look(&stall, 3600, true, STALL_SAY), 9); /* at 10, 20, 40, ..., 2560 s */
    assert_int_equal(look(&stall, 10, true, STALL_KILL), 0);
    assert_int_equal(stall_judge(&stall, 7, SECOND, TIMEOUT, false), STALL_KILL); /* it is stopped now */
}

static void begins_anew_with_each_pass(void **state)
{
    (void)state;
    struct stall stall = {.passes = 7};
    (void)look(&stall, 59, false, STALL_KILL);
    assert_int_equal(stall_judge(&stall, 8, SECOND, TIMEOUT, false), STALL_GOES_ON);
    assert_int_equal(look(&stall, 4, false, STALL_MOVES), 4);
    assert_int_equal(stall_judge(&stall, 9, SECOND, TIMEOUT, false), STALL_MOVES);
    assert_int_equal(look(&stall, 59, false, STALL_KILL), 0);
}

/* The machine slept, or the master was stopped: nobody has done anything, and nobody is to blame. */
static void does_not_count_when_the_master_stood_still(void **state)
{
    (void)state;
    struct stall stall = {.passes = 7};
    assert_int_equal(stall_judge(&stall, 7, 8 * 3600 * SECOND, TIMEOUT, false), STALL_MOVES);
    assert_int_equal(stall_judge(&stall, 7, SECOND, TIMEOUT, false), STALL_MOVES);
    assert_int_equal(stall_judge(&stall, 8, SECOND, TIMEOUT, false), STALL_MOVES);
}

static void never_kills_when_told_so(void **state)
{
    (void)state;
    struct stall stall = {.passes = 7};
    for (unsigned i = 0; i < 10000; i++)
        assert_int_not_equal(stall_judge(&stall, 7, SECOND, 0, false), STALL_KILL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kills_once_after_the_time),
        cmocka_unit_test(says_it_less_and_less_often),
        cmocka_unit_test(begins_anew_with_each_pass),
        cmocka_unit_test(does_not_count_when_the_master_stood_still),
        cmocka_unit_test(never_kills_when_told_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
