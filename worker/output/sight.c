#include "worker/output/sight.h"

#include <assert.h>
#include <stdlib.h>

#include "shared/base/memory.h"

/* A block's bits are one line of a processor's cache and a little; SETS times WAYS blocks are 400 KiB. */
enum { WORD = 64, BLOCK_WORDS = 8, BLOCK = WORD * BLOCK_WORDS, WAYS = 4, SETS = 1024, RUNS = 64 };

/* What one viewer sees of BLOCK frames. */
struct block {
    uint64_t viewer;            /* its serial number; 0: nothing here */
    uint64_t number;            /* the first frame is number * BLOCK */
    uint32_t from, to;          /* decided, counted from the first frame: from <= n < to */
    uint64_t seen[BLOCK_WORDS]; /* bits of these; of others 0 */
};

struct kept_run {
    uint64_t viewer; /* its serial number; 0: nothing here */
    uint64_t next;   /* backlog_next() when it was made */
    struct sight_run run;
};

struct sight {
    struct block blocks[SETS][WAYS];
    struct kept_run runs[RUNS];
};

struct sight *sight_create(void)
{
    return memory_zeroed(1, sizeof(struct sight)); /* pages are taken up as they are used */
}

void sight_free(struct sight **sight)
{
    free(*sight);
    *sight = NULL;
}

/* Of a full set the block that lies furthest back goes: most connections are near the backlog's end. */
static struct block *block_get(const struct viewer *viewer, uint64_t number)
{
    uint64_t serial = viewer_serial(viewer);
    uint64_t hash = (serial * UINT64_C(0x9e3779b97f4a7c15) + number) * UINT64_C(0xbf58476d1ce4e5b9);
    struct block *set = viewer_sight(viewer)->blocks[hash >> 32 & (SETS - 1)], *oldest = set;
    for (struct block *block = set; block < set + WAYS; block++) {
        if (block->viewer == serial && block->number == number)
            return block;
        if (block->number < oldest->number)
            oldest = block;
    }
    *oldest = (struct block){.viewer = serial, .number = number};
    return oldest;
}

static bool sight_decide(const struct viewer *viewer, const struct backlog_frame *frame)
{
    bool after = viewer_holds(viewer, frame->collection, frame->tag_after);
    switch (frame->kind) {
    case BACKLOG_UPDATE:
        return after;
    case BACKLOG_REMOVE:
        return !after && viewer_holds(viewer, frame->collection, frame->tag_before);
    }
    return false;
}

static void block_decide(struct block *block, const struct viewer *viewer, const struct backlog *backlog,
                         uint32_t from, uint32_t to, struct work *work)
{
    for (uint32_t n = from; n < to; n++)
        block->seen[n / WORD] |=
            (uint64_t)sight_decide(viewer, backlog_frame(backlog, block->number * BLOCK + n)) << n % WORD;
    work_charge(work, (to - from) * WORK_NODE);
}

/* The block of frame @number, with all that the backlog has of it from there on decided. What is decided is
 * an unbroken range, so it grows at either end, or begins anew after frames that are not kept any more. */
static const struct block *block_of(const struct viewer *viewer, const struct backlog *backlog,
                                    uint64_t number, struct work *work)
{
    struct block *block = block_get(viewer, number / BLOCK);
    uint64_t have = backlog_next(backlog) - block->number * BLOCK;
    uint32_t from = (uint32_t)(number % BLOCK), to = have < BLOCK ? (uint32_t)have : BLOCK;
    work_charge(work, WORK_NODE);
    bool gap =
        block->number * BLOCK + block->to < backlog_first(backlog); /* frames that nobody asked about */
    if (gap || block->from == block->to)
        *block = (struct block){.viewer = block->viewer, .number = block->number, .from = from, .to = from};
    if (block->from > from) {
        block_decide(block, viewer, backlog, from, block->from, work);
        block->from = from;
    }
    if (block->to < to) {
        block_decide(block, viewer, backlog, block->to, to, work);
        block->to = to;
    }
    return block;
}

/* The first bit of @from <= n < @end that is set; @end: none is. */
static uint32_t first_set(const uint64_t bits[BLOCK_WORDS], uint32_t from, uint32_t end)
{
    uint64_t word = bits[from / WORD] & UINT64_MAX << from % WORD;
    for (uint32_t at = from / WORD;; word = bits[at]) {
        if (word) {
            uint32_t found = at * WORD + (uint32_t)__builtin_ctzll(word);
            return found < end ? found : end;
        }
        if (++at * WORD >= end)
            return end;
    }
}

uint64_t sight_next(struct viewer *viewer, const struct backlog *backlog, uint64_t from, uint64_t end,
                    struct work *work, bool *seen)
{
    *seen = false;
    if (!viewer)
        return from > end ? from : end;
    while (from < end) {
        const struct block *block = block_of(viewer, backlog, from, work);
        uint64_t base = block->number * BLOCK, left = end - base;
        uint32_t to = left < block->to ? (uint32_t)left : block->to;
        uint32_t found = first_set(block->seen, (uint32_t)(from - base), to);
        from = base + found;
        *seen = found < to;
        if (*seen || !work_left(work, 0))
            break;
    }
    return from;
}

/* False: the frame does not fit any more. */
static bool run_add(struct sight_run *run, const struct backlog_frame *frame)
{
    struct iovec *last = run->count ? &run->vectors[run->count - 1] : NULL;
    if (last && (char *)last->iov_base + last->iov_len == frame->bytes) {
        last->iov_len += frame->length;
    } else {
        if (run->count == SIGHT_RUN_VECTORS)
            return false;
        run->vectors[run->count++] = (struct iovec){(void *)(uintptr_t)frame->bytes, frame->length};
    }
    run->bytes += frame->length;
    run->frames++;
    return true;
}

static void run_make(struct sight_run *run, struct viewer *viewer, const struct backlog *backlog,
                     uint64_t first, struct work *work)
{
    uint64_t next = backlog_next(backlog), number = first;
    uint64_t end = next - first < SIGHT_RUN_FRAMES ? next : first + SIGHT_RUN_FRAMES;
    bool seen;
    run->first = first;
    run->frames = run->bytes = 0;
    run->count = 0;
    for (;; number++) {
        number = sight_next(viewer, backlog, number, end, work, &seen);
        if (!seen || run->bytes >= SIGHT_RUN_BYTES || !run_add(run, backlog_frame(backlog, number)))
            break;
    }
    run->upto = number;
}

static struct kept_run *run_place(const struct viewer *viewer, uint64_t first)
{
    return &viewer_sight(viewer)->runs[(first + viewer_serial(viewer) * 29) % RUNS];
}

const struct sight_run *sight_run_made(const struct viewer *viewer, const struct backlog *backlog,
                                       uint64_t first)
{
    const struct kept_run *kept = run_place(viewer, first);
    /* Frames are dropped from the oldest on: with the first, all of them are still there. A run that ended
     * before the backlog did is a run now. */
    bool current = kept->next == backlog_next(backlog) || kept->run.upto < kept->next;
    return kept->viewer == viewer_serial(viewer) && kept->run.first == first && current ? &kept->run : NULL;
}

const struct sight_run *sight_run(struct viewer *viewer, const struct backlog *backlog, uint64_t first,
                                  struct work *work)
{
    const struct sight_run *made = sight_run_made(viewer, backlog, first);
    work_charge(work, WORK_NODE);
    if (made)
        return made;
    struct kept_run *kept = run_place(viewer, first);
    run_make(&kept->run, viewer, backlog, first, work);
    kept->viewer = viewer_serial(viewer);
    kept->next = backlog_next(backlog);
    return &kept->run;
}
