#ifndef DAEMON_MASTER_STALL_H
#define DAEMON_MASTER_STALL_H

#include <stdbool.h>
#include <stdint.h>

struct child;

/*
 * A child that stands still: it is stopped, or goes round in a circle, and its clients wait. Each child
 * counts the passes of its loop in the scoreboard, of which there is one a second at least, and the master
 * looks at that once a second.
 */

/* STALL_SEEN_MS: shorter is not spoken of. STALL_STEP_MOST_MS: of what passed between two looks, no more than
 * this counts, because then the master stood still as well, with the whole machine or for itself. */
enum { STALL_SEEN_MS = 5000, STALL_STEP_MOST_MS = 2000 };

struct stall {
    uint64_t passes;   /* of its loop, when it was last looked at */
    uint64_t still_ms; /* it has made none for so long */
    uint64_t say_ms;   /* when it has been still for so long, the next line is due */
    bool killed;
};

enum stall_verdict {
    STALL_MOVES,
    STALL_GOES_ON, /* again, after it was still for long enough to be spoken of */
    STALL_IS_STILL,
    STALL_SAY,  /* the same, and a line about it is due */
    STALL_KILL, /* once */
};

/** What to think of a child that has made @passes, @passed_ms after the last look. @timeout_ms: 0 is never.
 * @patience: it may take its time, and killing it makes nothing better. */
enum stall_verdict stall_judge(struct stall *stall, uint64_t passes, uint64_t passed_ms, uint64_t timeout_ms,
                               bool patience);

/** Whether it waits for the disk now. Then killing it makes nothing better: who comes next waits for the same
 * disk. */
bool stall_waits_for_disk(const struct child *child);

/** Looks at a child, says what is to be said, and kills it when it is to be killed. */
enum stall_verdict stall_look(struct child *child, uint64_t passed_ms, uint64_t timeout_ms);

#endif
