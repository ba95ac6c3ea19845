#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/master/control.h"
#include "daemon/master/rates.h"
#include "daemon/master/supervisor.h"

static void backs_off_up_to_five_seconds(void **state)
{
    (void)state;
    static const uint64_t expected_ms[] = {0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000};
    for (unsigned i = 0; i < sizeof expected_ms / sizeof expected_ms[0]; i++)
        assert_int_equal(supervisor_backoff_ms(i), expected_ms[i]);
    assert_int_equal(supervisor_backoff_ms(UINT32_MAX), 5000);
}

static void knows_the_control_commands(void **state)
{
    (void)state;
    assert_int_equal(control_parse("status", 6), CONTROL_STATUS);
    assert_int_equal(control_parse("stop", 4), CONTROL_STOP);
    assert_int_equal(control_parse("session", 7), CONTROL_SESSION);
    assert_int_equal(control_parse("", 0), CONTROL_UNKNOWN);
    assert_int_equal(control_parse("stop ", 5), CONTROL_UNKNOWN);
    assert_int_equal(control_parse("Stop", 4), CONTROL_UNKNOWN);
    assert_int_equal(control_parse("statu", 5), CONTROL_UNKNOWN);
    assert_int_equal(control_parse("stop\r", 5), CONTROL_UNKNOWN);
}

static void rates_survive_a_new_process(void **state)
{
    (void)state;
    static struct rates rates;
    struct scoreboard *scoreboard = scoreboard_create(2);
    assert_non_null(scoreboard);
    rates_sample(&rates, scoreboard, 1000);
    assert_true(rates_of(&rates, RATE_CALLS) == 0);
    atomic_store(&scoreboard->worker[0].calls, 300);
    atomic_store(&scoreboard->worker[1].calls, 100);
    rates_sample(&rates, scoreboard, 3000);
    assert_true(rates_of(&rates, RATE_CALLS) == 200);
    /* Worker 0 died and its successor has had 50 calls. */
    atomic_store(&scoreboard->worker[0].calls, 50);
    rates_sample(&rates, scoreboard, 4000);
    assert_true(rates_of(&rates, RATE_CALLS) == 150);
    assert_true(rates_of(&rates, RATE_CHANGES) == 0);
}

static void rates_speak_of_the_last_seconds_only(void **state)
{
    (void)state;
    static struct rates rates;
    struct scoreboard *scoreboard = scoreboard_create(1);
    assert_non_null(scoreboard);
    uint64_t calls = 0;
    for (unsigned second = 0; second < 40; second++) {
        calls += second < 20 ? 1000 : 10;
        atomic_store(&scoreboard->worker[0].calls, calls);
        rates_sample(&rates, scoreboard, 1000 * (second + 1));
        if (second == 15)
            assert_true(rates_of(&rates, RATE_CALLS) == 1000);
        if (second >= 20 + RATES_SAMPLES)
            assert_true(rates_of(&rates, RATE_CALLS) == 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backs_off_up_to_five_seconds),
        cmocka_unit_test(knows_the_control_commands),
        cmocka_unit_test(rates_survive_a_new_process),
        cmocka_unit_test(rates_speak_of_the_last_seconds_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
