#ifndef WORKER_BASE_WORK_H
#define WORKER_BASE_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Work in one currency, and what one pass of the worker's loop may spend of it, so that nobody holds up the
 * others for longer than a pass, whatever there is to do. Whoever walks data
 *
 *   1. asks work_left() before each step, and comes back in a later pass when it says no,
 *   2. does the step, which must be bounded by itself, and charges what it was.
 *
 * Who is first in a queue does a step even if nothing is left, when only that makes sure that it moves on.
 * Shares are made by what is kept for others: who asks with a @kept leaves so much of the pass to them.
 *
 * A unit is what it costs to visit one node of something in memory, about 25 ns with what hangs on it. What a
 * step was shows in the scoreboard, and so does the processor's time of a whole pass: much of that with few
 * units is work that nobody charges.
 */

struct scoreboard_worker;

struct work {
    uint64_t left;                   /* of this pass */
    uint64_t used;                   /* since the worker started */
    uint64_t step;                   /* since somebody asked last */
    uint64_t largest_step;           /* so much was done between two questions */
    uint64_t pass_used;              /* ->used when the pass began */
    uint64_t largest_pass;           /* units */
    uint64_t cpu_ns;                 /* of this thread, when the pass began; 0: none has begun */
    uint64_t passes_ns;              /* of the processor, for all passes that have ended */
    struct scoreboard_worker *score; /* NULL: it is not shown */
};

enum {
    WORK_NODE = 1,
    WORK_BYTES = 64,   /* so many bytes compared, moved or copied are a unit */
    WORK_LOOKUP = 40,  /* an entry of the store found by its key */
    WORK_WRITE = 400,  /* a system call that sends; its bytes count beside it */
    WORK_RECORD = 8,   /* a change taken out of the ring; its bytes count beside it */
    WORK_DOCUMENT = 8, /* a document that a walk comes to; its bytes count where they are looked at */
    WORK_CALL = 200,   /* a call from its message to its answer, beside what it does and what is parsed */
    WORK_PASS = 262144 /* what one pass may spend, about 6 ms */
};

/* What is taken in leaves this to who is to be sent it: else it would only go on from the change log. */
enum { WORK_KEPT_FOR_OUTPUT = WORK_PASS / 2 };

/* Of a pass, for bringing copies in line with rights that have changed: others are written to as well. */
enum { WORK_FOR_RIGHTS = WORK_PASS / 4 };

/* Then calls are read and begun, then long jobs take turns; each leaves something to who comes after it. */
enum { WORK_KEPT_BY_CALLS = WORK_PASS / 4, WORK_KEPT_BY_JOBS = WORK_PASS / 8, WORK_TURN = WORK_PASS / 16 };

/** @work is zeroed: a pass begins, the first. */
void work_start(struct work *work, struct scoreboard_worker *score);

/** Another pass begins; tells the scoreboard what the last one was. */
void work_pass(struct work *work);

static inline uint64_t work_bytes(size_t bytes)
{
    return bytes / WORK_BYTES;
}

/** What it was to parse a text of @bytes into @nodes. */
static inline uint64_t work_parsed(size_t bytes, size_t nodes)
{
    return bytes / 8 + nodes;
}

/** @work NULL, here and below: nobody counts, there is always some left. */
static inline void work_charge(struct work *work, uint64_t units)
{
    if (!work)
        return;
    work->step += units;
    work->used += units;
    work->left -= units < work->left ? units : work->left;
}

/** Whether another step may be done in this pass, when @kept units are to be left to others. */
static inline bool work_left(struct work *work, uint64_t kept)
{
    if (!work)
        return true;
    if (work->step > work->largest_step)
        work->largest_step = work->step;
    work->step = 0;
    return work->left > kept;
}

#endif
