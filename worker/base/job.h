#ifndef WORKER_BASE_JOB_H
#define WORKER_BASE_JOB_H

#include <stdbool.h>
#include <sys/queue.h>

#include "worker/base/worker.h"

/*
 * Work that is too long for one pass of the loop (a scan, a sync): done in steps, each bounded (WORK_TURN,
 * and what cannot be cut), each with its own snapshot, all jobs in turn as long as there is work left for
 * them in a pass. A job whose client does not read what it has made waits until the client's queue is short
 * again.
 */

enum job_state {
    JOB_MORE,    /* wants another step */
    JOB_LATER,   /* in the next pass of the loop, whenever something brings that about */
    JOB_BLOCKED, /* waits for job_wake() */
    JOB_DONE     /* to be freed */
};

struct job {
    TAILQ_ENTRY(job) queue;
    enum job_state (*step)(struct job *job); /* must leave no snapshot open that it has begun */
    void (*free)(struct job *job);
    bool runnable; /* not blocked */
};

struct job_list;

/** @work: of the passes; NULL: nobody counts. */
struct job_list *job_list_create(struct work *work);

/** Frees all jobs. */
void job_list_free(struct job_list **jobs);

/** Runs the first step at once, if there is work left for that in this pass; the job goes on in later ones.
 * The list owns it. */
void job_start(struct job_list *jobs, struct job *job);

void job_wake(struct job_list *jobs, struct job *job);

/** Runs jobs, those for later among them: one step at least, and more while there is work left. */
void job_list_run(struct job_list *jobs);

/** Whether some want another step. */
bool job_list_runnable(const struct job_list *jobs);

#endif
