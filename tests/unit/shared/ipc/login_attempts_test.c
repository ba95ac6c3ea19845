/* Failed log-ins: which are counted, for how long, and for whom. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/slice.h"
#include "shared/ipc/login_attempts.h"

static void failures_count_for_a_minute(void **state)
{
    (void)state;
    struct login_attempts *attempts = login_attempts_create();
    assert_non_null(attempts);
    for (int i = 0; i < 3; i++) {
        assert_false(login_attempts_reach(attempts, 3, SLICE("mallory"), 1000));
        login_attempts_add(attempts, SLICE("mallory"), 1000);
    }
    assert_true(login_attempts_reach(attempts, 3, SLICE("mallory"), 1000));
    assert_false(login_attempts_reach(attempts, 3, SLICE("alice"), 1000));
    assert_true(login_attempts_reach(attempts, 3, SLICE("mallory"), 60999));
    assert_false(login_attempts_reach(attempts, 3, SLICE("mallory"), 61000));
    login_attempts_add(attempts, SLICE("mallory"), 61000); /* the first of another minute */
    assert_false(login_attempts_reach(attempts, 2, SLICE("mallory"), 61000));
}

static void the_table_is_bounded_whatever_comes(void **state)
{
    (void)state;
    struct login_attempts *attempts = login_attempts_create();
    assert_non_null(attempts);
    for (uint64_t i = 0; i < 100000; i++) {
        char name[32];
        int length = snprintf(name, sizeof name, "user %llu", (unsigned long long)i);
        login_attempts_add(attempts, slice_of(name, (size_t)length), i);
    }
    login_attempts_add(attempts, SLICE("late"), 100000);
    login_attempts_add(attempts, SLICE("late"), 100000);
    assert_true(login_attempts_reach(attempts, 2, SLICE("late"), 100000));
}

static void failures_count_for_all_workers_together(void **state)
{
    (void)state;
    struct login_attempts *attempts = login_attempts_create();
    assert_non_null(attempts);
    enum { CHILDREN = 4, FAILURES = 100 };
    for (int i = 0; i < CHILDREN; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            for (int k = 0; k < FAILURES; k++)
                login_attempts_add(attempts, SLICE("mallory"), 1000);
            _exit(0);
        }
        if (i == 0) /* the place is claimed: from here on no count is lost */
            assert_int_equal(waitpid(child, NULL, 0), child);
    }
    while (wait(NULL) > 0)
        continue;
    assert_true(login_attempts_reach(attempts, CHILDREN * FAILURES, SLICE("mallory"), 2000));
    assert_false(login_attempts_reach(attempts, CHILDREN * FAILURES + 1, SLICE("mallory"), 2000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_count_for_a_minute),
        cmocka_unit_test(the_table_is_bounded_whatever_comes),
        cmocka_unit_test(failures_count_for_all_workers_together),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
