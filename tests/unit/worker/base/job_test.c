/* Jobs: their turns, what they share of a pass, and their ends. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/base/job.h"

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

static void run_to_the_end(struct job_list *jobs)
{
    do
        job_list_run(jobs);
    while (job_list_runnable(jobs));
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
    run_to_the_end(jobs);
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
    job_list_run(jobs);
    assert_true(job_list_runnable(jobs));
    assert_int_equal(a.steps, 1);
    assert_int_equal(b.steps, 0);
    job_list_run(jobs);
    assert_true(job_list_runnable(jobs));
    assert_int_equal(a.steps, 1);
    assert_int_equal(b.steps, 1);
    work_pass(&work);
    job_list_run(jobs);
    assert_false(job_list_runnable(jobs));
    assert_int_equal(a.freed + b.freed, 2);
    job_list_free(&jobs);
}

static void blocked_jobs_wait_to_be_woken(void **state)
{
    (void)state;
    struct job_list *jobs = job_list_create(NULL);
    struct counting_job a = {.job = {.step = count_step, .free = count_free}, .last = 4, .block_at = 2};
    job_start(jobs, &a.job);
    run_to_the_end(jobs);
    assert_int_equal(a.steps, 2);
    job_wake(jobs, &a.job);
    job_wake(jobs, &a.job);
    run_to_the_end(jobs);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_take_turns_and_end),
        cmocka_unit_test(jobs_share_what_is_left_of_a_pass),
        cmocka_unit_test(blocked_jobs_wait_to_be_woken),
        cmocka_unit_test(freeing_the_list_frees_all_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
