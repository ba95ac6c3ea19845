#ifndef WORKER_OUTPUT_OUTPUT_PLAN_H
#define WORKER_OUTPUT_OUTPUT_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "worker/output/output.h"

/* What output.h says goes out, in its order, as writes: planned, and afterwards told how much of it is
 * out. */

enum { OUTPUT_VECTORS = 256 };

/** What one write is made of. */
struct output_plan {
    struct iovec vectors[OUTPUT_VECTORS];
    int count;
    size_t bytes;
    uint64_t frames; /* change frames among them */
    uint64_t cursor; /* ->frame when all of it is out: unseen frames are skipped even when nothing is
                        written */
    bool stopped;    /* work ran out before it was known what comes next */
};

/** What to write next, up to OUTPUT_VECTORS vectors and about @bytes_most bytes. Count 0: nothing can go out
 * now; the cursor has then moved over frames that are not seen. All of them, unless @work ran out
 * (->stopped): then it goes on from there in another plan. */
void output_plan(struct output *output, const struct backlog *backlog, size_t bytes_most, struct work *work,
                 struct output_plan *plan);

/** @bytes of @plan, the last one, are out (any number up to all of it). Returns how many change frames were
 * completed. */
uint64_t output_advance(struct output *output, const struct backlog *backlog, const struct output_plan *plan,
                        size_t bytes);

#endif
