/* The small parts of a worker: jobs, threads, the throttle of log-ins. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/authority/password.h"
#include "worker/authority/throttle.h"
#include "worker/authority/token.h"
#include "worker/base/job.h"
#include "worker/base/thread_pool.h"

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
    struct job_list *jobs = job_list_create(NULL);
    struct counting_job a = {.job = {.step = count_step, .free = count_free}, .last = 3, .block_at = -1};
    struct counting_job b = {.job = {.step = count_step, .free = count_free}, .last = 1, .block_at = -1};
    job_start(jobs, &a.job);
    assert_int_equal(a.steps, 1);
    job_start(jobs, &b.job);
    assert_int_equal(b.freed, 1);
    while (job_list_run(jobs))
        continue;
    assert_int_equal(a.steps, 3);
    assert_int_equal(a.freed, 1);
    job_list_free(&jobs);
}

/* In a pass whose work is used up: the first in the queue does a step, those that come wait for their
 * turn. */
static void jobs_share_what_is_left_of_a_pass(void **state)
{
    (void)state;
    struct work work = {0};
    work_start(&work, NULL);
    struct job_list *jobs = job_list_create(&work);
    struct counting_job a = {.job = {.step = count_step, .free = count_free}, .last = 3, .block_at = -1};
    struct counting_job b = {.job = {.step = count_step, .free = count_free}, .last = 2, .block_at = -1};
    work_charge(&work, WORK_PASS - WORK_KEPT_BY_CALLS);
    job_start(jobs, &a.job);
    job_start(jobs, &b.job);
    assert_int_equal(a.steps + b.steps, 0);
    work_charge(&work, WORK_PASS);
    assert_true(job_list_run(jobs));
    assert_int_equal(a.steps, 1);
    assert_int_equal(b.steps, 0);
    assert_true(job_list_run(jobs));
    assert_int_equal(a.steps, 1);
    assert_int_equal(b.steps, 1);
    work_pass(&work);
    assert_false(job_list_run(jobs));
    assert_int_equal(a.freed + b.freed, 2);
    job_list_free(&jobs);
}

static void blocked_jobs_wait_to_be_woken(void **state)
{
    (void)state;
    struct job_list *jobs = job_list_create(NULL);
    struct counting_job a = {.job = {.step = count_step, .free = count_free}, .last = 4, .block_at = 2};
    job_start(jobs, &a.job);
    while (job_list_run(jobs))
        continue;
    assert_int_equal(a.steps, 2);
    job_wake(jobs, &a.job);
    job_wake(jobs, &a.job);
    while (job_list_run(jobs))
        continue;
    assert_int_equal(a.freed, 1);
    job_list_free(&jobs);
}

static void freeing_the_list_frees_all_jobs(void **state)
{
    (void)state;
    struct job_list *jobs = job_list_create(NULL);
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

/*
 * A log-in of a user that does not exist must take as long. What libsodium is given is looked at rather than
 * the time: it says EINVAL for a hash that it has computed and that differs, and nothing of the kind for one
 * that it cannot read, and the parameters say how much there was to compute.
 */
static unsigned verified, computed;
static bool no_memory;

int __real_crypto_pwhash_str_verify(const char *hash, const char *password, unsigned long long length);
int __wrap_crypto_pwhash_str_verify(const char *hash, const char *password, unsigned long long length);

int __wrap_crypto_pwhash_str_verify(const char *hash, const char *password, unsigned long long length)
{
    verified++;
    if (no_memory) {
        errno = ENOMEM;
        return -1;
    }
    errno = 0;
    int differs = __real_crypto_pwhash_str_verify(hash, password, length);
    bool costly = crypto_pwhash_str_needs_rehash(hash, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                                 crypto_pwhash_MEMLIMIT_INTERACTIVE) == 0;
    computed += costly && (differs == 0 || errno == EINVAL);
    return differs;
}

static void password_was_checked(void *argument, enum password_result result)
{
    *(int *)argument = (int)result;
}

static enum password_result check_password(struct worker *worker, const char *password, struct slice hash)
{
    int result = -1;
    assert_true(password_check(worker, slice_text(password), hash, password_was_checked, &result));
    while (result < 0)
        event_base_loop(worker->base, EVLOOP_ONCE);
    return (enum password_result)result;
}

static void passwords_of_nobody_are_computed_too(void **state)
{
    (void)state;
    struct worker worker = {.base = event_base_new()};
    worker.threads = thread_pool_create(worker.base, 1, 4);
    char hash[crypto_pwhash_STRBYTES], longer[crypto_pwhash_STRBYTES + 1];
    assert_int_equal(crypto_pwhash_str(hash, "correct horse", 13, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                       crypto_pwhash_MEMLIMIT_INTERACTIVE),
                     0);
    memset(longer, 'x', sizeof longer);
    verified = computed = 0;
    assert_int_equal(check_password(&worker, "correct horse", slice_text(hash)), PASSWORD_RIGHT);
    assert_int_equal(check_password(&worker, "wrong", slice_text(hash)), PASSWORD_WRONG);
    assert_int_equal(computed, 2);
    assert_int_equal(check_password(&worker, "correct horse", (struct slice){0}), PASSWORD_WRONG);
    assert_int_equal(check_password(&worker, "", (struct slice){0}), PASSWORD_WRONG);
    /* What cannot be a hash is none. */
    assert_int_equal(check_password(&worker, "x", slice_of(longer, sizeof longer)), PASSWORD_WRONG);
    assert_int_equal(check_password(&worker, "x", slice_of(longer, 0)), PASSWORD_WRONG);
    assert_int_equal(verified, 6);
    assert_int_equal(computed, 6);
    thread_pool_free(&worker.threads);
    event_base_free(worker.base);
}

/* That there was no memory, or no time, says nothing about the password: it is no failed log-in. */
static void passwords_that_were_not_checked_are_not_wrong(void **state)
{
    (void)state;
    struct worker worker = {.base = event_base_new()};
    worker.threads = thread_pool_create(worker.base, 1, 4);
    int results[4] = {-1, -1, -1, -1};
    no_memory = true;
    assert_int_equal(check_password(&worker, "x", (struct slice){0}), PASSWORD_UNCHECKED);
    no_memory = false;
    gate = false;
    assert_true(thread_pool_add(worker.threads, (struct thread_task){slow_work, finish, NULL}));
    for (int i = 0; i < 3; i++)
        assert_true(
            password_check(&worker, SLICE("x"), (struct slice){0}, password_was_checked, &results[i]));
    thread_pool_free(&worker.threads);
    assert_int_equal(results[2], PASSWORD_UNCHECKED);
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
        cmocka_unit_test(jobs_share_what_is_left_of_a_pass),
        cmocka_unit_test(blocked_jobs_wait_to_be_woken),
        cmocka_unit_test(freeing_the_list_frees_all_jobs),
        cmocka_unit_test(threads_are_bounded_and_finish_in_the_loop),
        cmocka_unit_test(throttle_counts_within_a_minute),
        cmocka_unit_test(throttle_is_bounded_whatever_comes),
        cmocka_unit_test(throttle_counts_for_all_workers_together),
        cmocka_unit_test(passwords_of_nobody_are_computed_too),
        cmocka_unit_test(passwords_that_were_not_checked_are_not_wrong),
        cmocka_unit_test(threads_come_last_and_the_loop_does_not),
        cmocka_unit_test(tasks_that_wait_at_the_end_are_not_begun),
        cmocka_unit_test(tokens_differ_and_hash_the_same),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
