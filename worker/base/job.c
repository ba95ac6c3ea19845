#include "worker/base/job.h"

#include <stdlib.h>

#include "shared/base/memory.h"

TAILQ_HEAD(job_queue, job);

struct job_list {
    struct job_queue runnable;
    struct job_queue later;
    struct job_queue blocked;
    struct work *work;
};

struct job_list *job_list_create(struct work *work)
{
    struct job_list *jobs = memory_zeroed(1, sizeof *jobs);
    jobs->work = work;
    TAILQ_INIT(&jobs->runnable);
    TAILQ_INIT(&jobs->later);
    TAILQ_INIT(&jobs->blocked);
    return jobs;
}

static void free_queue(struct job_queue *queue)
{
    struct job *job;
    while ((job = TAILQ_FIRST(queue))) {
        TAILQ_REMOVE(queue, job, queue);
        job->free(job);
    }
}

void job_list_free(struct job_list **jobs)
{
    if (!*jobs)
        return;
    free_queue(&(*jobs)->runnable);
    free_queue(&(*jobs)->later);
    free_queue(&(*jobs)->blocked);
    free(*jobs);
    *jobs = NULL;
}

/* Runs a job that is in no queue and puts it where its answer says. */
static void run_job_step(struct job_list *jobs, struct job *job)
{
    switch (job->step(job)) {
    case JOB_MORE:
        job->runnable = true;
        TAILQ_INSERT_TAIL(&jobs->runnable, job, queue);
        return;
    case JOB_LATER:
        job->runnable = true;
        TAILQ_INSERT_TAIL(&jobs->later, job, queue);
        return;
    case JOB_BLOCKED:
        job->runnable = false;
        TAILQ_INSERT_TAIL(&jobs->blocked, job, queue);
        return;
    case JOB_DONE:
        job->free(job);
        return;
    }
}

void job_start(struct job_list *jobs, struct job *job)
{
    if (work_left(jobs->work, WORK_KEPT_BY_CALLS)) {
        run_job_step(jobs, job);
        return;
    }
    job->runnable = true;
    TAILQ_INSERT_TAIL(&jobs->runnable, job, queue);
}

void job_wake(struct job_list *jobs, struct job *job)
{
    if (job->runnable)
        return;
    TAILQ_REMOVE(&jobs->blocked, job, queue);
    TAILQ_INSERT_TAIL(&jobs->runnable, job, queue);
    job->runnable = true;
}

void job_list_run(struct job_list *jobs)
{
    struct job *job;
    bool first = true;
    TAILQ_CONCAT(&jobs->runnable, &jobs->later, queue);
    while ((job = TAILQ_FIRST(&jobs->runnable))) {
        if (!work_left(jobs->work, WORK_KEPT_BY_JOBS) && !first)
            return;
        first = false;
        TAILQ_REMOVE(&jobs->runnable, job, queue);
        run_job_step(jobs, job);
    }
}

bool job_list_runnable(const struct job_list *jobs)
{
    return !TAILQ_EMPTY(&jobs->runnable);
}
