#ifndef TESTS_DISPATCH_PEER_H
#define TESTS_DISPATCH_PEER_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "shared/base/buffer.h"
#include "worker/output/output_plan.h"

/*
 * The other end of an output: takes what is planned, in pieces of any size. Items are texts that say what
 * they are: a letter (F frame, R reply, U urgent), a number, any number of dots, and a semicolon.
 */

struct item {
    char kind;
    uint64_t number;
    size_t start; /* offset of its first byte in all that was received */
};

/* Writes what is planned with @work, at most @most bytes of it, into @received. Returns the change frames
 * that were completed. */
static inline uint64_t peer_take(struct output *output, const struct backlog *backlog, size_t planned_most,
                                 size_t most, struct work *work, struct buffer *received)
{
    struct output_plan plan;
    output_plan(output, backlog, planned_most, work, &plan);
    size_t planned = 0, taken = 0;
    for (int i = 0; i < plan.count; i++) {
        size_t length = plan.vectors[i].iov_len, here = length < most - taken ? length : most - taken;
        buffer_append(received, plan.vectors[i].iov_base, here);
        planned += length;
        taken += here;
    }
    assert(planned == plan.bytes);
    uint64_t completed = output_advance(output, backlog, &plan, taken);
    assert(taken < planned || completed == plan.frames);
    assert(taken < planned || output->catching_up || output->frame >= plan.cursor);
    return completed;
}

/* Takes the next item off the front of @bytes. False: there is no whole one. */
static inline bool peer_item(struct slice *bytes, struct item *item)
{
    const char *end = bytes->length ? memchr(bytes->data, ';', bytes->length) : NULL;
    if (!end)
        return false;
    const char *at = bytes->data;
    item->kind = *at++;
    item->number = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        item->number = item->number * 10 + (uint64_t)(*at - '0');
    while (at < end && *at == '.')
        at++;
    if (at != end || !memchr("FRU", item->kind, 3))
        return false;
    *bytes = slice_of(end + 1, bytes->length - (size_t)(end + 1 - bytes->data));
    return true;
}

static inline void item_append(struct buffer *out, char kind, uint64_t number, size_t dots)
{
    buffer_append_byte(out, kind);
    buffer_append_unsigned(out, number);
    while (dots-- > 0)
        buffer_append_byte(out, '.');
    buffer_append_byte(out, ';');
}

#endif
