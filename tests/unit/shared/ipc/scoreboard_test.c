#include "shared/ipc/scoreboard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void is_shared_with_children(void **state)
{
    (void)state;
    struct scoreboard *scoreboard = scoreboard_create(RING_WORKERS);
    assert_non_null(scoreboard);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        scoreboard->worker[RING_WORKERS - 1].calls += 41;
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    scoreboard->worker[RING_WORKERS - 1].calls++;
    assert_int_equal(scoreboard->worker[RING_WORKERS - 1].calls, 42);
    assert_true(scoreboard->started_ms > 0);
    assert_int_equal(munmap(scoreboard, sizeof *scoreboard), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_shared_with_children),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
