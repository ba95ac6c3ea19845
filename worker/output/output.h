#ifndef WORKER_OUTPUT_OUTPUT_H
#define WORKER_OUTPUT_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/base/work.h"
#include "worker/output/backlog.h"
#include "worker/output/viewer.h"

/*
 * What goes out on one connection, and in which order, without a socket in it: a cursor into the backlog, and
 * a short private queue (output_plan.h makes writes of it). Each reply names the sequence number after which
 * it may go out:
 *
 *   - the item of which some bytes are out is finished first (also a frame that the viewer does not see any
 *     more);
 *   - then urgent replies (control frames);
 *   - then what was made from the change log (refill);
 *   - then, if the first reply's after_seq is below the seq of the next frame (or there is no further frame
 *     and after_seq <= backlog_last_seq()), that reply: so it goes out exactly between the frames up to
 *     after_seq and the later ones;
 *   - else the frame, if the viewer sees it.
 *
 * Replies keep their order: one with a lower after_seq than its predecessor's waits for the predecessor. So
 * what is read from the store (a piece of a sync) is queued in the order it was read.
 *
 * While ->catching_up the cursor is not in the backlog: output_refill() is how the owner feeds frames made
 * from the change log; replies go out when after_seq <= ->caught_up_seq. A reply may hold documents as they
 * were at its after_seq: later changes must not go out before it. So a refill stops at
 * output_refill_most(), and there is no further one before that reply has gone. Costs nothing while nothing
 * is to be sent.
 *
 * While held (->hold_seq) changes with higher numbers wait, and replies that come after these; when all else
 * is out the owner puts in between what must come first (output_insert()), then moves the hold on.
 */

struct reply {
    struct reply *next;
    uint64_t after_seq;
    uint32_t length;
    uint32_t capacity;
    char bytes[]; /* complete frames */
};

struct output {
    uint64_t frame;       /* number of the backlog frame to look at next */
    uint32_t frame_sent;  /* bytes of it that are out already */
    uint32_t reply_sent;  /* bytes of the first urgent/reply/refill that are out already */
    struct reply *urgent; /* control frames: before everything but an unfinished item */
    struct reply *first, *last;
    struct reply *refill;   /* made from the change log, while catching up; or the rest of a frame that was
                               dropped; it may still be here after output_rejoin(). All changes up to its
                               after_seq were out before it */
    struct viewer *viewer;  /* NULL: sees nothing; the cursor just moves along */
    uint64_t caught_up_seq; /* while catching up: all changes up to this are in what was queued */
    uint64_t hold_seq;      /* changes after this wait; OUTPUT_NO_HOLD: none does */
    uint64_t unsettled_seq; /* until this is reached, what went out is in part newer than its numbers say, or
                               leaves out what a newer change made good; 0: nothing did */
    uint64_t reply_bytes;   /* not yet out of urgent, first.. (not refill) */
    uint8_t unfinished;     /* enum output_source of the item of which some bytes are out */
    bool catching_up;
};

#define OUTPUT_NO_HOLD UINT64_MAX

enum output_source { OUTPUT_NOTHING, OUTPUT_FRAME, OUTPUT_URGENT, OUTPUT_REPLY, OUTPUT_REFILL };

/** Starts at the end of the backlog. */
void output_open(struct output *output, const struct backlog *backlog, struct viewer *viewer);

/** Frees all replies. (The viewer is the owner's.) */
void output_close(struct output *output);

/** Queues a copy of one complete frame (or several). Not between output_plan() and output_advance(), like
 * everything that changes the output or the backlog. */
void output_reply(struct output *output, struct slice frames, uint64_t after_seq);

/** Queues a control frame in front. */
void output_urgent(struct output *output, struct slice frame);

/** Of a reply that is in no queue any more. Answers hold tokens, and what the peer sent: they are wiped. */
void output_reply_free(struct reply *reply);

/** How far the next refill may go: at most the backlog's last change (what is later comes from there), and
 * not beyond the first reply's after_seq. At least ->caught_up_seq. */
uint64_t output_refill_most(const struct output *output, const struct backlog *backlog);

/** Queues frames (none: absent or empty) made from the change log, with everything up to @seq; only when
 * output_wants_refill(). */
void output_refill(struct output *output, struct slice frames, uint64_t seq);

/** Whether the owner should make a refill now. */
bool output_wants_refill(const struct output *output);

/** While catching up, when all up to ->caught_up_seq is queued and the backlog still keeps what comes after
 * it (see backlog_floor_seq()) and has come that far itself: the cursor goes back into the backlog; true. */
bool output_rejoin(struct output *output, const struct backlog *backlog);

/** All changes up to this are out, or in what was made from the change log. */
uint64_t output_seq(const struct output *output, const struct backlog *backlog);

/** All changes up to this are out, each as a whole. */
uint64_t output_sent_seq(const struct output *output, const struct backlog *backlog);

/** Whether what went out is exactly the changes up to output_seq(). */
bool output_is_settled(const struct output *output, const struct backlog *backlog);

/** Something is on its way that is made of what was there after change @seq. */
void output_unsettle(struct output *output, uint64_t seq);

/** Queues a complete frame after the replies that may go out now, and before everything that comes
 * later. */
void output_note(struct output *output, const struct backlog *backlog, struct slice frame);

/** The last change that a queued reply waits for; 0: none does. */
uint64_t output_reply_seq(const struct output *output);

/** Catches up from the change log from here on, although the backlog has what comes next: output_rejoin()
 * while held is false. */
void output_leave_backlog(struct output *output, const struct backlog *backlog);

/** Holds back all changes that are not out yet. */
void output_hold(struct output *output, const struct backlog *backlog);

/** Leaves out what came so far and is not out yet, and all changes up to @seq; nothing is held any more. The
 * rest of what is half out still goes, and replies stay. */
void output_pass_over(struct output *output, const struct backlog *backlog, uint64_t seq);

/** Whether all is out that goes out before the hold, so that the owner should output_insert() or move it. */
bool output_at_hold(const struct output *output, const struct backlog *backlog);

/** Queues frames between what was before the hold and what is after it; only when output_at_hold(). */
void output_insert(struct output *output, struct slice frames);

/** Lets go what is up to @seq; OUTPUT_NO_HOLD: everything. */
void output_release(struct output *output, uint64_t seq);

/** Before the backlog drops frames under it: when the cursor is behind backlog_first() (@first: as it will
 * be), the rest of a frame that is half out is kept as refill, and unless the others that go are not seen,
 * catching_up begins, from the seq before the first that is, or to which nobody has looked when @work runs
 * out. Before backlog_restart(), @first is backlog_next() + 1: then those that are up to date fall behind,
 * too. */
void output_fall_behind(struct output *output, const struct backlog *backlog, uint64_t first,
                        struct work *work);

/** Whether nothing at all waits, not even what may not go out yet. */
bool output_idle(const struct output *output, const struct backlog *backlog);

#endif
