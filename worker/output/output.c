#include "worker/output/output.h"

#include <assert.h>
#include <stdlib.h>

#include "shared/base/memory.h"
#include "worker/output/sight.h"

/* Capacities of a reply's memory, so that several small replies share one: of the first in the queue, of one
 * that follows others with its after_seq, and of one with an after_seq of its own, as answers to changes
 * have: most likely it stays alone. */
enum { FIRST_REPLY_BYTES = 1024, FURTHER_REPLY_BYTES = 8192, OTHER_REPLY_BYTES = 232 };

void output_open(struct output *output, const struct backlog *backlog, struct viewer *viewer)
{
    *output = (struct output){.frame = backlog_next(backlog), .viewer = viewer, .hold_seq = OUTPUT_NO_HOLD};
}

void output_reply_free(struct reply *reply)
{
    memory_release(reply, sizeof *reply + reply->length);
}

static void free_replies(struct reply **first)
{
    while (*first) {
        struct reply *reply = *first;
        *first = reply->next;
        output_reply_free(reply);
    }
}

void output_close(struct output *output)
{
    free_replies(&output->urgent);
    free_replies(&output->first);
    free_replies(&output->refill);
    output->last = NULL;
    output->reply_bytes = 0;
    output->unfinished = OUTPUT_NOTHING;
}

static struct reply *reply_create(struct slice frames, uint64_t after_seq, size_t capacity)
{
    if (capacity < frames.length)
        capacity = frames.length;
    assert(capacity <= UINT32_MAX);
    struct reply *reply = memory_allocate(sizeof *reply + capacity);
    reply->next = NULL;
    reply->after_seq = after_seq;
    reply->length = (uint32_t)frames.length;
    reply->capacity = (uint32_t)capacity;
    memcpy(reply->bytes, frames.data, frames.length);
    return reply;
}

static void count_queued(struct output *output, size_t length)
{
    output->reply_bytes += length;
}

void output_reply(struct output *output, struct slice frames, uint64_t after_seq)
{
    if (frames.length == 0)
        return;
    count_queued(output, frames.length);
    struct reply *last = output->last;
    if (last && after_seq <= last->after_seq && frames.length <= last->capacity - last->length) {
        memcpy(last->bytes + last->length, frames.data, frames.length);
        last->length += (uint32_t)frames.length;
        return;
    }
    size_t capacity = !last                          ? FIRST_REPLY_BYTES
                      : after_seq <= last->after_seq ? FURTHER_REPLY_BYTES
                                                     : OTHER_REPLY_BYTES;
    struct reply *reply = reply_create(frames, after_seq, capacity);
    if (last)
        last->next = reply;
    else
        output->first = reply;
    output->last = reply;
}

void output_urgent(struct output *output, struct slice frame)
{
    if (frame.length == 0)
        return;
    count_queued(output, frame.length);
    struct reply **link = &output->urgent;
    while (*link)
        link = &(*link)->next;
    *link = reply_create(frame, 0, 0);
}

bool output_wants_refill(const struct output *output)
{
    return output->catching_up && !output->refill &&
           !(output->first && output->first->after_seq <= output->caught_up_seq);
}

uint64_t output_refill_most(const struct output *output, const struct backlog *backlog)
{
    uint64_t most = backlog_last_seq(backlog);
    if (output->first && output->first->after_seq < most)
        most = output->first->after_seq;
    if (output->hold_seq < most)
        most = output->hold_seq;
    return most > output->caught_up_seq ? most : output->caught_up_seq;
}

void output_refill(struct output *output, struct slice frames, uint64_t seq)
{
    assert(output->catching_up && !output->refill);
    assert(seq >= output->caught_up_seq);
    if (frames.length > 0)
        output->refill = reply_create(frames, output->caught_up_seq, 0);
    output->caught_up_seq = seq;
}

bool output_rejoin(struct output *output, const struct backlog *backlog)
{
    if (!output->catching_up || output->hold_seq != OUTPUT_NO_HOLD ||
        output->caught_up_seq < backlog_floor_seq(backlog) ||
        output->caught_up_seq > backlog_last_seq(backlog))
        return false;
    output->frame = backlog_find(backlog, output->caught_up_seq);
    output->catching_up = false;
    return true;
}

uint64_t output_seq(const struct output *output, const struct backlog *backlog)
{
    if (output->catching_up)
        return output->caught_up_seq;
    return output->frame < backlog_next(backlog) ? backlog_frame(backlog, output->frame)->seq - 1
                                                 : backlog_last_seq(backlog);
}

uint64_t output_sent_seq(const struct output *output, const struct backlog *backlog)
{
    return output->refill ? output->refill->after_seq : output_seq(output, backlog);
}

bool output_is_settled(const struct output *output, const struct backlog *backlog)
{
    return output_seq(output, backlog) >= output->unsettled_seq;
}

void output_unsettle(struct output *output, uint64_t seq)
{
    if (output->unsettled_seq < seq)
        output->unsettled_seq = seq;
}

void output_note(struct output *output, const struct backlog *backlog, struct slice frame)
{
    uint64_t seq = output_sent_seq(output, backlog);
    struct reply **link = &output->first, *note = reply_create(frame, seq, 0);
    count_queued(output, frame.length);
    while (*link && (*link)->after_seq <= seq)
        link = &(*link)->next;
    note->next = *link;
    *link = note;
    if (!note->next)
        output->last = note;
}

uint64_t output_reply_seq(const struct output *output)
{
    uint64_t seq = 0;
    for (const struct reply *reply = output->first; reply; reply = reply->next)
        if (reply->after_seq > seq)
            seq = reply->after_seq;
    return seq;
}

void output_leave_backlog(struct output *output, const struct backlog *backlog)
{
    assert(output->unfinished != OUTPUT_FRAME);
    output->caught_up_seq = output_seq(output, backlog);
    output->catching_up = true;
}

void output_hold(struct output *output, const struct backlog *backlog)
{
    output->hold_seq = output_seq(output, backlog);
}

bool output_at_hold(const struct output *output, const struct backlog *backlog)
{
    uint64_t hold = output->hold_seq;
    if (hold > backlog_last_seq(backlog) || output->unfinished != OUTPUT_NOTHING || output->refill ||
        (output->first && output->first->after_seq <= hold))
        return false;
    return output->catching_up ? output->caught_up_seq >= hold : output->frame >= backlog_find(backlog, hold);
}

void output_insert(struct output *output, struct slice frames)
{
    assert(!output->refill && output->unfinished == OUTPUT_NOTHING);
    if (frames.length > 0)
        output->refill = reply_create(frames, output->hold_seq, 0);
}

void output_release(struct output *output, uint64_t seq)
{
    output->hold_seq = seq;
}

/* The rest of a frame that is half out no longer needs the backlog. */
static void keep_unfinished(struct output *output, const struct backlog *backlog)
{
    if (output->unfinished != OUTPUT_FRAME)
        return;
    const struct backlog_frame *frame = backlog_frame(backlog, output->frame);
    struct slice rest = slice_of(frame->bytes + output->frame_sent, frame->length - output->frame_sent);
    assert(!output->refill); /* it would have gone first */
    output->refill = reply_create(rest, frame->seq - 1, 0);
    output->unfinished = OUTPUT_REFILL;
    output->reply_sent = 0;
    output->frame_sent = 0;
    output->frame++;
}

void output_pass_over(struct output *output, const struct backlog *backlog, uint64_t seq)
{
    uint64_t last = backlog_last_seq(backlog);
    keep_unfinished(output, backlog);
    if (output->unfinished != OUTPUT_REFILL)
        free_replies(&output->refill);
    output_leave_backlog(output, backlog);
    if (output->caught_up_seq < last)
        output->caught_up_seq = last;
    if (output->caught_up_seq < seq)
        output->caught_up_seq = seq;
    output_release(output, OUTPUT_NO_HOLD);
    output->unsettled_seq = 0; /* what is left out is told in another way */
    (void)output_rejoin(output, backlog);
}

void output_fall_behind(struct output *output, const struct backlog *backlog, uint64_t first,
                        struct work *work)
{
    if (output->catching_up || output->frame >= first)
        return;
    keep_unfinished(output, backlog);
    if (output->hold_seq != OUTPUT_NO_HOLD) { /* what is held is not passed over, seen now or not */
        output_leave_backlog(output, backlog);
        return;
    }
    uint64_t next = backlog_next(backlog), end = first < next ? first : next;
    bool seen;
    output->frame =
        output->viewer ? sight_next(output->viewer, backlog, output->frame, end, work, &seen) : first;
    if (output->frame >= first)
        return;
    output->catching_up = true;
    output->caught_up_seq =
        output->frame < next ? backlog_frame(backlog, output->frame)->seq - 1 : backlog_last_seq(backlog);
}

bool output_idle(const struct output *output, const struct backlog *backlog)
{
    return !output->urgent && !output->first && !output->refill && !output->catching_up &&
           output->frame >= backlog_next(backlog);
}
