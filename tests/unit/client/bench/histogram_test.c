#include "client/bench/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct histogram histogram;

static int clear(void **state)
{
    (void)state;
    histogram = (struct histogram){0};
    return 0;
}

static void an_empty_one_gives_zero(void **state)
{
    (void)state;
    assert_int_equal(histogram_at(&histogram, 0.99), 0);
}

static void small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t value = 1; value <= 100; value++)
        histogram_add(&histogram, value);
    assert_int_equal(histogram_at(&histogram, 0.5), 50);
    assert_int_equal(histogram_at(&histogram, 0.99), 99);
    assert_int_equal(histogram_at(&histogram, 0.999), 100);
    assert_int_equal(histogram_at(&histogram, 1), 100);
}

static void buckets_are_in_order_without_gaps(void **state)
{
    (void)state;
    unsigned before = histogram_bucket(0);
    for (uint64_t value = 1; value < 100000; value++) {
        unsigned bucket = histogram_bucket(value);
        assert_in_range(bucket, before, before + 1);
        before = bucket;
    }
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void any_value_is_known_to_a_hundredth(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift < 60; shift++) {
        uint64_t value = (UINT64_C(11) << shift) + 5;
        clear(state);
        histogram_add(&histogram, value);
        histogram_add(&histogram, UINT64_MAX / 2);
        uint64_t found = histogram_at(&histogram, 0.5);
        assert_true(found >= value);
        assert_true(found - value <= value / 100);
    }
}

static void the_largest_is_exact(void **state)
{
    (void)state;
    histogram_add(&histogram, 1);
    histogram_add(&histogram, 123456789);
    assert_int_equal(histogram_at(&histogram, 1), 123456789);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_empty_one_gives_zero, clear),
        cmocka_unit_test_setup(small_values_are_exact, clear),
        cmocka_unit_test_setup(buckets_are_in_order_without_gaps, clear),
        cmocka_unit_test_setup(any_value_is_known_to_a_hundredth, clear),
        cmocka_unit_test_setup(the_largest_is_exact, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
