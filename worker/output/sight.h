#ifndef WORKER_OUTPUT_SIGHT_H
#define WORKER_OUTPUT_SIGHT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "worker/base/work.h"
#include "worker/output/backlog.h"
#include "worker/output/viewer.h"

/*
 * Which frames of the backlog a viewer sees. Decided once for each viewer and frame, and remembered in bits,
 * a block of frames at a time, in a table of fixed size that all viewers share (a block that has given way to
 * another is decided again). What is not seen is passed over by whole words of these bits. What is seen is
 * put together to vectors once for all connections that stand at the same place.
 */

struct sight;
struct sight *sight_create(void);
void sight_free(struct sight **sight);

/**
 * The first frame of @from <= number < @end that goes to the viewer: an update to those who hold the document
 * after the change, a remove to those who held it before and do not after. @end is not beyond backlog_next(),
 * and what is asked about must be kept. *@seen false: there is none before the number returned, which is
 * @end, or less when @work ran out; but it always gets on by some frames. All viewers of a table are asked
 * about one backlog. @viewer NULL sees nothing.
 */
uint64_t sight_next(struct viewer *viewer, const struct backlog *backlog, uint64_t from, uint64_t end,
                    struct work *work, bool *seen);

enum { SIGHT_RUN_VECTORS = 32, SIGHT_RUN_BYTES = 64 * 1024, SIGHT_RUN_FRAMES = 4096 };

/** Frames that can be written together: those of first <= number < upto that the viewer sees, adjacent ones
 * merged. */
struct sight_run {
    uint64_t first;
    uint64_t upto;   /* backlog_next(), or less when bytes (about SIGHT_RUN_BYTES), vectors, frames (seen or
                        not, about SIGHT_RUN_FRAMES) or work ran out */
    uint64_t frames; /* seen among them */
    size_t bytes;
    int count;
    struct iovec vectors[SIGHT_RUN_VECTORS];
};

/** The run that starts at frame @first (kept, or backlog_next(): then it is empty). Connections with the same
 * rights and the same cursor, which is most of them, share the work. Valid until the next call for any
 * viewer. */
const struct sight_run *sight_run(struct viewer *viewer, const struct backlog *backlog, uint64_t first,
                                  struct work *work);

/** The same if somebody has made it; otherwise NULL. */
const struct sight_run *sight_run_made(const struct viewer *viewer, const struct backlog *backlog,
                                       uint64_t first);

#endif
