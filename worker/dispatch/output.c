#include "worker/dispatch/output.h"

#include <assert.h>
#include <stdlib.h>

#include "shared/memory.h"

/* Capacities of a reply's memory, so that several small replies share one: of the first in the queue, of one
 * that follows others with its after_seq, and of one with an after_seq of its own, as answers to changes
 * have: most likely it stays alone. */
enum { FIRST_REPLY_BYTES = 1024, FURTHER_REPLY_BYTES = 8192, OTHER_REPLY_BYTES = 232 };

/* A look at what goes out in which order: the planner's, without changing anything. */
struct walk {
    uint64_t frame;
    const struct reply *urgent, *refill, *reply;
    enum output_source unfinished;
    uint32_t sent; /* bytes of the unfinished item */
};

void output_open(struct output *output, const struct backlog *backlog, struct viewer *viewer)
{
    *output = (struct output){.frame = backlog_next(backlog), .viewer = viewer, .hold_seq = OUTPUT_NO_HOLD};
}

/* Answers hold tokens, and what the peer sent. */
static void reply_free(struct reply *reply)
{
    memory_release(reply, sizeof *reply + reply->length);
}

static void free_replies(struct reply **first)
{
    while (*first) {
        struct reply *reply = *first;
        *first = reply->next;
        reply_free(reply);
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
    assert(length <= UINT32_MAX - output->reply_bytes); /* the owner closes the connection long before */
    output->reply_bytes += (uint32_t)length;
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

/* The first frame from @number on, and before @end, that is seen. */
static uint64_t next_seen(const struct output *output, const struct backlog *backlog, uint64_t number,
                          uint64_t end)
{
    if (!output->viewer)
        return number > end ? number : end;
    while (number < end && !viewer_sees(output->viewer, backlog, number)) {
        const struct viewer_run *run = viewer_run(output->viewer, backlog, number);
        number = run->count == 0 && run->upto <= end ? run->upto : number + 1;
    }
    return number;
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

void output_fall_behind(struct output *output, const struct backlog *backlog, uint64_t first)
{
    if (output->catching_up || output->frame >= first)
        return;
    keep_unfinished(output, backlog);
    if (output->hold_seq != OUTPUT_NO_HOLD) { /* what is held is not passed over, seen now or not */
        output_leave_backlog(output, backlog);
        return;
    }
    uint64_t next = backlog_next(backlog), end = first < next ? first : next;
    output->frame = output->viewer ? next_seen(output, backlog, output->frame, end) : first;
    if (output->frame >= first)
        return;
    output->catching_up = true;
    output->caught_up_seq =
        output->frame < next ? backlog_frame(backlog, output->frame)->seq - 1 : backlog_last_seq(backlog);
}

/* The number of the first frame that is held; backlog_next() when none is. What is held is not looked at:
 * other rights may see it when its time comes. */
static uint64_t held_from(const struct output *output, const struct backlog *backlog)
{
    return backlog_find(backlog, output->hold_seq);
}

static struct walk walk_start(const struct output *output)
{
    return (struct walk){
        .frame = output->frame,
        .urgent = output->urgent,
        .refill = output->refill,
        .reply = output->first,
        .unfinished = output->unfinished,
        .sent = output->unfinished == OUTPUT_FRAME ? output->frame_sent : output->reply_sent,
    };
}

/* What goes out next, by the rule at the top of output.h; moves over frames that are not seen. */
static enum output_source walk_source(struct walk *walk, const struct output *output,
                                      const struct backlog *backlog)
{
    if (walk->unfinished != OUTPUT_NOTHING)
        return walk->unfinished;
    if (walk->urgent)
        return OUTPUT_URGENT;
    if (walk->refill)
        return OUTPUT_REFILL;
    const struct backlog_frame *frame = NULL;
    uint64_t reach = output->caught_up_seq; /* replies after changes up to this may go */
    if (!output->catching_up) {
        uint64_t next = backlog_next(backlog);
        walk->frame = next_seen(output, backlog, walk->frame, held_from(output, backlog));
        frame = walk->frame < next ? backlog_frame(backlog, walk->frame) : NULL;
        reach = frame ? frame->seq - 1 : backlog_last_seq(backlog);
    }
    if (output->hold_seq < reach)
        reach = output->hold_seq;
    if (walk->reply && walk->reply->after_seq <= reach)
        return OUTPUT_REPLY;
    return frame && frame->seq <= output->hold_seq ? OUTPUT_FRAME : OUTPUT_NOTHING;
}

/* The number of the first frame that must wait: for the first reply, or held. */
static uint64_t gate(const struct output *output, const struct reply *reply, const struct backlog *backlog)
{
    uint64_t seq = reply && reply->after_seq < output->hold_seq ? reply->after_seq : output->hold_seq;
    return backlog_find(backlog, seq);
}

static bool plan_add(struct output_plan *plan, const char *bytes, size_t length)
{
    if (plan->count == OUTPUT_VECTORS)
        return false;
    plan->vectors[plan->count++] = (struct iovec){(void *)(uintptr_t)bytes, length};
    plan->bytes += length;
    return true;
}

static bool plan_reply(struct output_plan *plan, struct walk *walk, const struct reply **reply)
{
    if (!plan_add(plan, (*reply)->bytes + walk->sent, (*reply)->length - walk->sent))
        return false;
    *reply = (*reply)->next;
    walk->sent = 0;
    walk->unfinished = OUTPUT_NOTHING;
    return true;
}

static bool plan_frame(struct output_plan *plan, struct walk *walk, const struct backlog *backlog)
{
    const struct backlog_frame *frame = backlog_frame(backlog, walk->frame);
    const char *start = frame->bytes + walk->sent;
    size_t length = frame->length - walk->sent;
    struct iovec *last = plan->count ? &plan->vectors[plan->count - 1] : NULL;
    if (last && (char *)last->iov_base + last->iov_len == start) {
        last->iov_len += length;
        plan->bytes += length;
    } else if (!plan_add(plan, start, length)) {
        return false;
    }
    plan->frames++;
    walk->frame++;
    walk->sent = 0;
    walk->unfinished = OUTPUT_NOTHING;
    return true;
}

/* As many frames as can go out before anything else: usually a run that others with the same cursor have,
 * too. */
static bool plan_frames(struct output_plan *plan, struct walk *walk, const struct output *output,
                        const struct backlog *backlog)
{
    if (walk->unfinished != OUTPUT_NOTHING)
        return plan_frame(plan, walk, backlog);
    const struct viewer_run *run = viewer_run(output->viewer, backlog, walk->frame);
    if (run->upto > gate(output, walk->reply, backlog))
        return plan_frame(plan, walk, backlog);
    if (run->count > OUTPUT_VECTORS - plan->count)
        return false;
    memcpy(plan->vectors + plan->count, run->vectors, (size_t)run->count * sizeof *run->vectors);
    plan->count += run->count;
    plan->bytes += run->bytes;
    plan->frames += run->frames;
    walk->frame = run->upto;
    return true;
}

void output_plan(struct output *output, const struct backlog *backlog, size_t bytes_most,
                 struct output_plan *plan)
{
    plan->count = 0;
    plan->bytes = 0;
    plan->frames = 0;
    struct walk walk = walk_start(output);
    bool more = true;
    while (more && plan->bytes < bytes_most) {
        switch (walk_source(&walk, output, backlog)) {
        case OUTPUT_NOTHING:
            more = false;
            break;
        case OUTPUT_FRAME:
            more = plan_frames(plan, &walk, output, backlog);
            break;
        case OUTPUT_URGENT:
            more = plan_reply(plan, &walk, &walk.urgent);
            break;
        case OUTPUT_REPLY:
            more = plan_reply(plan, &walk, &walk.reply);
            break;
        case OUTPUT_REFILL:
            more = plan_reply(plan, &walk, &walk.refill);
            break;
        }
    }
    plan->cursor = walk.frame;
    if (plan->count == 0 && !output->catching_up)
        output->frame = walk.frame;
}

/* Takes @bytes off the first of a queue; returns how many of them it took. */
static size_t advance_reply(struct output *output, struct reply **first, enum output_source source,
                            size_t bytes)
{
    struct reply *reply = *first;
    size_t left = reply->length - (output->unfinished == source ? output->reply_sent : 0);
    size_t taken = bytes < left ? bytes : left;
    if (source != OUTPUT_REFILL)
        output->reply_bytes -= (uint32_t)taken;
    if (taken < left) {
        output->reply_sent = reply->length - (uint32_t)(left - taken);
        output->unfinished = (uint8_t)source;
        return taken;
    }
    *first = reply->next;
    if (output->last == reply)
        output->last = NULL;
    reply_free(reply);
    output->reply_sent = 0;
    output->unfinished = OUTPUT_NOTHING;
    return taken;
}

static size_t advance_frames(struct output *output, const struct backlog *backlog, size_t bytes,
                             uint64_t *completed)
{
    if (output->unfinished == OUTPUT_NOTHING) {
        const struct viewer_run *run = viewer_run(output->viewer, backlog, output->frame);
        if (run->bytes <= bytes && run->upto <= gate(output, output->first, backlog)) {
            output->frame = run->upto;
            *completed += run->frames;
            return run->bytes;
        }
    }
    size_t left = backlog_frame(backlog, output->frame)->length - output->frame_sent;
    if (bytes < left) {
        output->frame_sent += (uint32_t)bytes;
        output->unfinished = OUTPUT_FRAME;
        return bytes;
    }
    output->frame++;
    output->frame_sent = 0;
    output->unfinished = OUTPUT_NOTHING;
    ++*completed;
    return left;
}

uint64_t output_advance(struct output *output, const struct backlog *backlog, size_t bytes)
{
    uint64_t completed = 0;
    while (bytes > 0) {
        struct walk walk = walk_start(output);
        enum output_source source = walk_source(&walk, output, backlog);
        output->frame = walk.frame;
        assert(source != OUTPUT_NOTHING); /* more is out than was planned */
        switch (source) {
        case OUTPUT_NOTHING:
            return completed;
        case OUTPUT_FRAME:
            bytes -= advance_frames(output, backlog, bytes, &completed);
            break;
        case OUTPUT_URGENT:
            bytes -= advance_reply(output, &output->urgent, source, bytes);
            break;
        case OUTPUT_REPLY:
            bytes -= advance_reply(output, &output->first, source, bytes);
            break;
        case OUTPUT_REFILL:
            bytes -= advance_reply(output, &output->refill, source, bytes);
            break;
        }
    }
    if (output->unfinished == OUTPUT_NOTHING && !output->catching_up)
        output->frame = next_seen(output, backlog, output->frame, held_from(output, backlog));
    return completed;
}

bool output_idle(const struct output *output, const struct backlog *backlog)
{
    return !output->urgent && !output->first && !output->refill && !output->catching_up &&
           output->frame >= backlog_next(backlog);
}
