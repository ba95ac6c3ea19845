/* The small parts of a worker: jobs, threads, the throttle of log-ins. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/clock.h"
#include "worker/authority/password.h"
#include "worker/authority/throttle.h"
#include "worker/authority/token.h"
#include "worker/jobs/job.h"
#include "worker/thread_pool.h"

struct counting_job {
    struct job job;
    int steps, freed;
    int block_at, last;
};

static enum job_state count_step(struct job *job)
{
    struct counting_job *counting = (struct counting_job *)job;
    counting->steps++;
    if (counting->steps == counting->last)
        return JOB_DONE;
    return counting->steps == counting->block_at ? JOB_BLOCKED : JOB_MORE;
}

static void count_free(struct job *job)
{
    ((struct counting_job *)job)->freed++;
}

static void jobs_take_turns_and_end(void **state)
{
    (void)state;
    struct job_list *jobs = job_list_create();
    struct counting_job a = {.job = {.step = count_step, .free = count_free}, .last = 3, .block_at = -1};
    struct counting_job b = {.job = {.step = count_step, .free = count_free}, .last = 1, .block_at = -1};
    job_start(jobs, &a.job);
    assert_int_equal(a.steps, 1);
    job_start(jobs, &b.job);
    assert_int_equal(b.freed, 1);
    while (job_list_run(jobs, 0))
        continue;
    assert_int_equal(a.steps, 3);
    assert_int_equal(a.freed, 1);
    job_list_free(&jobs);
}

static void blocked_jobs_wait_to_be_woken(void **state)
{
    (void)state;
    struct job_list *jobs = job_list_create();
    struct counting_job a = {.job = {.step = count_step, .free = count_free}, .last = 4, .block_at = 2};
    job_start(jobs, &a.job);
    while (job_list_run(jobs, 1000000))
        continue;
    assert_int_equal(a.steps, 2);
    job_wake(jobs, &a.job);
    job_wake(jobs, &a.job);
    while (job_list_run(jobs, 1000000))
        continue;
    assert_int_equal(a.freed, 1);
    job_list_free(&jobs);
}

static void freeing_the_list_frees_all_jobs(void **state)
{
    (void)state;
    struct job_list *jobs = job_list_create();
    struct counting_job a = {.job = {.step = count_step, .free = count_free}, .last = 9, .block_at = 1};
    struct counting_job b = {.job = {.step = count_step, .free = count_free}, .last = 9, .block_at = -1};
    job_start(jobs, &a.job);
    job_start(jobs, &b.job);
    job_list_free(&jobs);
    assert_int_equal(a.freed + b.freed, 2);
}

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

static void throttle_counts_within_a_minute(void **state)
{
    (void)state;
    static struct login_attempts attempts;
    for (int i = 0; i < 3; i++) {
        assert_false(throttle_closed(&attempts, 3, SLICE("mallory"), 1000));
        throttle_failed(&attempts, SLICE("mallory"), 1000);
    }
    assert_true(throttle_closed(&attempts, 3, SLICE("mallory"), 1000));
    assert_false(throttle_closed(&attempts, 3, SLICE("alice"), 1000));
    assert_true(throttle_closed(&attempts, 3, SLICE("mallory"), 60999));
    assert_false(throttle_closed(&attempts, 3, SLICE("mallory"), 61000));
    throttle_failed(&attempts, SLICE("mallory"), 61000); /* the first of another minute */
    assert_false(throttle_closed(&attempts, 2, SLICE("mallory"), 61000));
}

static void throttle_is_bounded_whatever_comes(void **state)
{
    (void)state;
    static struct login_attempts attempts;
    for (uint64_t i = 0; i < 100000; i++) {
        char name[32];
        int length = snprintf(name, sizeof name, "user %llu", (unsigned long long)i);
        throttle_failed(&attempts, slice_of(name, (size_t)length), i);
    }
    throttle_failed(&attempts, SLICE("late"), 100000);
    throttle_failed(&attempts, SLICE("late"), 100000);
    assert_true(throttle_closed(&attempts, 2, SLICE("late"), 100000));
}

static void throttle_counts_for_all_workers_together(void **state)
{
    (void)state;
    struct scoreboard *scoreboard = scoreboard_create(2);
    assert_non_null(scoreboard);
    enum { CHILDREN = 4, FAILURES = 100 };
    for (int i = 0; i < CHILDREN; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            for (int k = 0; k < FAILURES; k++)
                throttle_failed(&scoreboard->attempts, SLICE("mallory"), 1000);
            _exit(0);
        }
        if (i == 0) /* the place is claimed: from here on no count is lost */
            assert_int_equal(waitpid(child, NULL, 0), child);
    }
    while (wait(NULL) > 0)
        continue;
    assert_true(throttle_closed(&scoreboard->attempts, CHILDREN * FAILURES, SLICE("mallory"), 2000));
    assert_false(throttle_closed(&scoreboard->attempts, CHILDREN * FAILURES + 1, SLICE("mallory"), 2000));
    assert_int_equal(munmap(scoreboard, sizeof *scoreboard), 0);
}

/* A log-in of a user that does not exist must take as long: the made-up hash is one that is really computed.
 */
static atomic_bool checked_same;
static atomic_int checks;

static void password_was_checked(void *argument, bool same)
{
    (void)argument;
    checked_same = same;
    checks++;
}

static uint64_t check_takes_us(struct worker *worker, struct slice hash, bool expected)
{
    int before = checks;
    uint64_t started_us = clock_monotonic_us();
    assert_true(password_check(worker, SLICE("correct horse"), hash, password_was_checked, NULL));
    while (checks == before)
        event_base_loop(worker->base, EVLOOP_ONCE);
    assert_int_equal(checked_same, expected);
    return clock_monotonic_us() - started_us;
}

static void passwords_of_nobody_take_as_long(void **state)
{
    (void)state;
    struct worker worker = {.base = event_base_new()};
    worker.threads = thread_pool_create(worker.base, 1, 4);
    char hash[crypto_pwhash_STRBYTES];
    assert_int_equal(crypto_pwhash_str(hash, "correct horse", 13, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                       crypto_pwhash_MEMLIMIT_INTERACTIVE),
                     0);
    uint64_t known_us = UINT64_MAX, unknown_us = UINT64_MAX;
    for (int i = 0; i < 3; i++) {
        uint64_t us = check_takes_us(&worker, slice_text(hash), true);
        known_us = us < known_us ? us : known_us;
        us = check_takes_us(&worker, (struct slice){0}, false);
        unknown_us = us < unknown_us ? us : unknown_us;
    }
    /* A hash that is refused without being computed takes microseconds; generous bounds, for busy machines.
     */
    assert_in_range(unknown_us, known_us / 4, known_us * 4);
    thread_pool_free(&worker.threads);
    event_base_free(worker.base);
}

static void tokens_differ_and_hash_the_same(void **state)
{
    (void)state;
    char a[TOKEN_TEXT + 1], b[TOKEN_TEXT + 1], id[TOKEN_ID + 1], again[TOKEN_ID + 1];
    uint8_t hash[TOKEN_HASH_BYTES];
    token_make(a);
    token_make(b);
    assert_int_equal(strlen(a), TOKEN_TEXT);
    assert_string_not_equal(a, b);
    token_hash(slice_text(a), hash);
    token_id(hash, id);
    token_hash(slice_text(a), hash);
    token_id(hash, again);
    assert_string_equal(id, again);
    assert_int_equal(strlen(id), TOKEN_ID);
    assert_null(strstr(id, a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_take_turns_and_end),
        cmocka_unit_test(blocked_jobs_wait_to_be_woken),
        cmocka_unit_test(freeing_the_list_frees_all_jobs),
        cmocka_unit_test(threads_are_bounded_and_finish_in_the_loop),
        cmocka_unit_test(throttle_counts_within_a_minute),
        cmocka_unit_test(throttle_is_bounded_whatever_comes),
        cmocka_unit_test(throttle_counts_for_all_workers_together),
        cmocka_unit_test(passwords_of_nobody_take_as_long),
        cmocka_unit_test(tasks_that_wait_at_the_end_are_not_begun),
        cmocka_unit_test(tokens_differ_and_hash_the_same),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
