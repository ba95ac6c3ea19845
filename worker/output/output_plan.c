#include "worker/output/output_plan.h"

#include <assert.h>
#include <string.h>

#include "worker/output/sight.h"

/* A look at what goes out in which order: the planner's, without changing anything. */
struct walk {
    uint64_t frame;
    const struct reply *urgent, *refill, *reply;
    enum output_source unfinished;
    uint32_t sent;     /* bytes of the unfinished item */
    uint64_t end;      /* frames from this one on are not looked at */
    bool stopped;      /* work ran out, ->frame is the next to look at */
    struct work *work; /* NULL: what is looked at was planned, and paid for */
};

/* The number of the first frame that is held; backlog_next() when none is. What is held is not looked at:
 * other rights may see it when its time comes. */
static uint64_t held_from(const struct output *output, const struct backlog *backlog)
{
    return backlog_find(backlog, output->hold_seq);
}

static struct walk walk_start(const struct output *output, uint64_t end, struct work *work)
{
    return (struct walk){
        .frame = output->frame,
        .urgent = output->urgent,
        .refill = output->refill,
        .reply = output->first,
        .unfinished = output->unfinished,
        .sent = output->unfinished == OUTPUT_FRAME ? output->frame_sent : output->reply_sent,
        .end = end,
        .work = work,
    };
}

/* Moves over frames that are not seen. Returns whether the one it stops at is, and may go out as far as other
 * changes are concerned. */
static bool walk_on(struct walk *walk, const struct output *output, const struct backlog *backlog)
{
    uint64_t end = held_from(output, backlog);
    if (end > walk->end)
        end = walk->end;
    bool seen;
    walk->frame = sight_next(output->viewer, backlog, walk->frame, end, walk->work, &seen);
    walk->stopped = !seen && walk->frame < end;
    return seen;
}

/* What goes out next, by the rule at the top of output.h. */
static enum output_source walk_source(struct walk *walk, const struct output *output,
                                      const struct backlog *backlog)
{
    if (walk->unfinished != OUTPUT_NOTHING)
        return walk->unfinished;
    if (walk->urgent)
        return OUTPUT_URGENT;
    if (walk->refill)
        return OUTPUT_REFILL;
    bool seen = false;
    uint64_t reach = output->caught_up_seq; /* replies after changes up to this may go */
    if (!output->catching_up) {
        seen = walk_on(walk, output, backlog);
        reach = walk->frame < backlog_next(backlog) ? backlog_frame(backlog, walk->frame)->seq - 1
                                                    : backlog_last_seq(backlog);
    }
    if (output->hold_seq < reach)
        reach = output->hold_seq;
    if (walk->reply && walk->reply->after_seq <= reach)
        return OUTPUT_REPLY;
    return seen ? OUTPUT_FRAME : OUTPUT_NOTHING;
}

/* The number of the first frame that must wait: for the first reply, or held. */
static uint64_t plan_gate(const struct output *output, const struct reply *reply,
                          const struct backlog *backlog)
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
 * too. Not when a reply or a hold waits for one of them: runs end elsewhere, and one that was made for each
 * frame would be made in vain. */
static bool plan_frames(struct output_plan *plan, struct walk *walk, const struct output *output,
                        const struct backlog *backlog)
{
    if (walk->unfinished != OUTPUT_NOTHING ||
        plan_gate(output, walk->reply, backlog) < backlog_next(backlog)) {
        work_charge(walk->work, WORK_NODE);
        return plan_frame(plan, walk, backlog);
    }
    const struct sight_run *run = sight_run(output->viewer, backlog, walk->frame, walk->work);
    if (run->count > OUTPUT_VECTORS - plan->count)
        return false;
    memcpy(plan->vectors + plan->count, run->vectors, (size_t)run->count * sizeof *run->vectors);
    plan->count += run->count;
    plan->bytes += run->bytes;
    plan->frames += run->frames;
    walk->frame = run->upto;
    return true;
}

void output_plan(struct output *output, const struct backlog *backlog, size_t bytes_most, struct work *work,
                 struct output_plan *plan)
{
    plan->count = 0;
    plan->bytes = 0;
    plan->frames = 0;
    struct walk walk = walk_start(output, backlog_next(backlog), work);
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
    plan->stopped = walk.stopped;
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
        output->reply_bytes -= taken;
    if (taken < left) {
        output->reply_sent = reply->length - (uint32_t)(left - taken);
        output->unfinished = (uint8_t)source;
        return taken;
    }
    *first = reply->next;
    if (output->last == reply)
        output->last = NULL;
    output_reply_free(reply);
    output->reply_sent = 0;
    output->unfinished = OUTPUT_NOTHING;
    return taken;
}

static size_t advance_frames(struct output *output, const struct backlog *backlog, size_t bytes,
                             uint64_t *completed)
{
    if (output->unfinished == OUTPUT_NOTHING) {
        const struct sight_run *run = sight_run_made(output->viewer, backlog, output->frame);
        if (run && run->bytes <= bytes && run->upto <= plan_gate(output, output->first, backlog)) {
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

uint64_t output_advance(struct output *output, const struct backlog *backlog, const struct output_plan *plan,
                        size_t bytes)
{
    uint64_t completed = 0;
    while (bytes > 0) {
        struct walk walk = walk_start(output, plan->cursor, NULL);
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
    if (output->unfinished == OUTPUT_NOTHING && !output->catching_up) {
        struct walk walk = walk_start(output, plan->cursor, NULL);
        (void)walk_on(&walk, output, backlog);
        output->frame = walk.frame;
    }
    return completed;
}
