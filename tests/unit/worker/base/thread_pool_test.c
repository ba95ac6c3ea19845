/* The threads of a worker: how many run and wait, how they end, and that they come last. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

#include "worker/base/thread_pool.h"

static atomic_int worked;
static int finished;
static atomic_bool gate;

static void work(void *argument)
{
    (void)argument;
    while (!atomic_load(&gate))
        continue;
    atomic_fetch_add(&worked, 1);
}

static void finish(void *argument)
{
    (void)argument;
    finished++;
}

static void threads_are_bounded_and_finish_in_the_loop(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct thread_pool *pool = thread_pool_create(base, 2, 3);
    struct thread_task task = {work, finish, NULL};
    int added = 0;
    worked = 0;
    finished = 0;
    gate = false;
    /* Two may run while three wait; when the queue is full, the next is refused. */
    for (int i = 0; i < 20; i++)
        added += thread_pool_add(pool, task);
    assert_true(added >= 3 && added <= 5);
    assert_int_equal(finished, 0);
    gate = true;
    while (finished < added)
        event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(worked, added);
    assert_true(thread_pool_add(pool, task));
    thread_pool_free(&pool); /* still says that it is done */
    assert_int_equal(finished, added + 1);
    event_base_free(base);
}

static void see_priority(void *argument)
{
    *(int *)argument = getpriority(PRIO_PROCESS, 0);
}

static void threads_come_last_and_the_loop_does_not(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct thread_pool *pool = thread_pool_create(base, 1, 1);
    int before = getpriority(PRIO_PROCESS, 0), seen = -100;
    finished = 0;
    assert_true(thread_pool_add(pool, (struct thread_task){see_priority, finish, &seen}));
    while (!finished)
        event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(seen, 19);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), before);
    thread_pool_free(&pool);
    event_base_free(base);
}

/* Longer than it takes to end the pool. */
static void slow_work(void *argument)
{
    (void)argument;
    static const struct timespec while_ending = {.tv_nsec = 200000000};
    nanosleep(&while_ending, NULL);
    worked++;
}

static void tasks_that_wait_at_the_end_are_not_begun(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct thread_pool *pool = thread_pool_create(base, 1, 8);
    worked = 0;
    finished = 0;
    gate = false;
    for (int i = 0; i < 5; i++)
        assert_true(thread_pool_add(pool, (struct thread_task){slow_work, finish, NULL}));
    thread_pool_free(&pool);
    assert_true(worked < 5);
    assert_int_equal(finished, 5); /* who waits for them is told */
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_are_bounded_and_finish_in_the_loop),
        cmocka_unit_test(threads_come_last_and_the_loop_does_not),
        cmocka_unit_test(tasks_that_wait_at_the_end_are_not_begun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
