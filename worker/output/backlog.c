#include "worker/output/backlog.h"

#include <assert.h>
#include <stdlib.h>

#include "shared/base/memory.h"

#define BACKLOG_MAGIC UINT32_C(0x626b6c67) /* "bklg" */

enum { CHUNK_MOST = 256 * 1024, CHUNK_LEAST = 1024, CHUNKS_AT_LEAST = 8, TABLE_LEAST = 64 };

/* Frames fill a chunk from its front, so that they lie end to end; their access tags fill it from its
 * back. */
struct chunk {
    struct chunk *next; /* the next younger one */
    uint64_t first;     /* number of its first frame */
    uint64_t last_seq;  /* of its last frame */
    size_t capacity;
    size_t front; /* bytes of frames */
    size_t back;  /* bytes of tags */
    char bytes[];
};

struct backlog {
    uint32_t magic;
    uint64_t bytes_most;
    size_t chunk_bytes; /* capacity of an ordinary chunk */
    struct chunk *oldest, *youngest;
    struct chunk *spare;  /* an ordinary chunk that was dropped, for the next time */
    uint64_t bytes;       /* of frames and tags in all chunks */
    uint64_t first, next; /* numbers of the frames kept: first <= n < next */
    uint64_t last_seq, floor_seq;
    struct backlog_frame *frames; /* frame n is frames[n % capacity]; the capacity is a power of two */
    uint64_t capacity;
    /* to forget the last record */
    bool can_forget;
    uint64_t before_next, before_seq;
    size_t before_front, before_back; /* of the youngest chunk */
};

struct backlog *backlog_create(uint64_t bytes_most)
{
    struct backlog *backlog = memory_zeroed(1, sizeof *backlog);
    backlog->magic = BACKLOG_MAGIC;
    backlog->bytes_most = bytes_most;
    uint64_t chunk = bytes_most / CHUNKS_AT_LEAST;
    backlog->chunk_bytes = chunk > CHUNK_MOST    ? CHUNK_MOST
                           : chunk < CHUNK_LEAST ? CHUNK_LEAST
                                                 : (size_t)chunk;
    backlog->first = backlog->next = 1;
    backlog->capacity = TABLE_LEAST;
    backlog->frames = memory_zeroed(TABLE_LEAST, sizeof *backlog->frames);
    return backlog;
}

void backlog_free(struct backlog **backlog)
{
    if (!*backlog)
        return;
    assert((*backlog)->magic == BACKLOG_MAGIC);
    while ((*backlog)->oldest) {
        struct chunk *chunk = (*backlog)->oldest;
        (*backlog)->oldest = chunk->next;
        free(chunk);
    }
    free((*backlog)->spare);
    free((*backlog)->frames);
    (*backlog)->magic = 0;
    free(*backlog);
    *backlog = NULL;
}

static size_t chunk_used(const struct chunk *chunk)
{
    return chunk->front + chunk->back;
}

static size_t bytes_needed(const struct ring_record *record)
{
    size_t frames = record->update_frame.length + record->remove_frame.length;
    return frames ? frames + record->tag_before.length + record->tag_after.length : 0;
}

static bool needs_chunk(const struct backlog *backlog, size_t needed)
{
    const struct chunk *youngest = backlog->youngest;
    return needed > 0 && (!youngest || youngest->capacity - chunk_used(youngest) < needed);
}

/* How many of the oldest chunks go when @needed bytes are added. The youngest stays while more fits
 * into it. */
static unsigned chunks_to_drop(const struct backlog *backlog, size_t needed)
{
    bool another = needs_chunk(backlog, needed);
    uint64_t bytes = backlog->bytes + needed;
    unsigned count = 0;
    for (const struct chunk *chunk = backlog->oldest; chunk; chunk = chunk->next) {
        if (bytes <= backlog->bytes_most || (chunk == backlog->youngest && !another))
            break;
        bytes -= chunk_used(chunk);
        count++;
    }
    return count;
}

uint64_t backlog_first_after(const struct backlog *backlog, const struct ring_record *record)
{
    const struct chunk *chunk = backlog->oldest;
    for (unsigned drop = chunks_to_drop(backlog, bytes_needed(record)); drop > 0; drop--)
        chunk = chunk->next;
    return chunk ? chunk->first : backlog->next;
}

static void drop_oldest(struct backlog *backlog)
{
    struct chunk *chunk = backlog->oldest;
    backlog->oldest = chunk->next;
    if (!backlog->oldest)
        backlog->youngest = NULL;
    backlog->first = backlog->oldest ? backlog->oldest->first : backlog->next;
    if (chunk->front > 0)
        backlog->floor_seq = chunk->last_seq;
    backlog->bytes -= chunk_used(chunk);
    if (!backlog->spare && chunk->capacity == backlog->chunk_bytes)
        backlog->spare = chunk;
    else
        free(chunk);
}

static void add_chunk(struct backlog *backlog, size_t needed)
{
    struct chunk *chunk = backlog->spare;
    size_t capacity = needed > backlog->chunk_bytes ? needed : backlog->chunk_bytes;
    if (chunk && capacity == backlog->chunk_bytes)
        backlog->spare = NULL;
    else
        chunk = memory_allocate(sizeof *chunk + capacity);
    *chunk = (struct chunk){.first = backlog->next, .last_seq = backlog->last_seq, .capacity = capacity};
    if (backlog->youngest)
        backlog->youngest->next = chunk;
    else
        backlog->oldest = chunk;
    backlog->youngest = chunk;
}

static void grow_frames(struct backlog *backlog)
{
    uint64_t capacity = backlog->capacity * 2;
    struct backlog_frame *frames = memory_zeroed(capacity, sizeof *frames);
    for (uint64_t number = backlog->first; number < backlog->next; number++)
        frames[number & (capacity - 1)] = backlog->frames[number & (backlog->capacity - 1)];
    free(backlog->frames);
    backlog->frames = frames;
    backlog->capacity = capacity;
}

static void add_frame(struct backlog *backlog, const struct ring_record *record, enum backlog_kind kind,
                      struct slice tag_before, struct slice tag_after)
{
    struct slice bytes = kind == BACKLOG_UPDATE ? record->update_frame : record->remove_frame;
    if (bytes.length == 0)
        return;
    assert(bytes.length <= UINT32_MAX);
    if (backlog->next - backlog->first == backlog->capacity)
        grow_frames(backlog);
    struct chunk *chunk = backlog->youngest;
    char *place = chunk->bytes + chunk->front;
    memcpy(place, bytes.data, bytes.length);
    chunk->front += bytes.length;
    chunk->last_seq = record->seq;
    backlog->frames[backlog->next++ & (backlog->capacity - 1)] = (struct backlog_frame){
        .seq = record->seq,
        .bytes = place,
        .length = (uint32_t)bytes.length,
        .collection = record->collection,
        .kind = kind,
        .tag_before = tag_before,
        .tag_after = tag_after,
    };
}

static struct slice add_tag(struct chunk *chunk, struct slice tag)
{
    if (tag.length == 0)
        return (struct slice){0};
    chunk->back += tag.length;
    char *place = chunk->bytes + chunk->capacity - chunk->back;
    memcpy(place, tag.data, tag.length);
    return slice_of(place, tag.length);
}

void backlog_append(struct backlog *backlog, const struct ring_record *record)
{
    assert(backlog->magic == BACKLOG_MAGIC);
    assert(record->seq > backlog->last_seq);
    size_t needed = bytes_needed(record);
    bool another = needs_chunk(backlog, needed);
    for (unsigned drop = chunks_to_drop(backlog, needed); drop > 0; drop--)
        drop_oldest(backlog);
    if (another)
        add_chunk(backlog, needed);

    struct chunk *chunk = backlog->youngest;
    backlog->can_forget = true;
    backlog->before_next = backlog->next;
    backlog->before_seq = backlog->last_seq;
    backlog->before_front = chunk ? chunk->front : 0;
    backlog->before_back = chunk ? chunk->back : 0;
    backlog->last_seq = record->seq;
    if (needed == 0)
        return;
    struct slice before = add_tag(chunk, record->tag_before), after = add_tag(chunk, record->tag_after);
    add_frame(backlog, record, BACKLOG_UPDATE, before, after);
    add_frame(backlog, record, BACKLOG_REMOVE, before, after);
    assert(chunk_used(chunk) <= chunk->capacity);
    backlog->bytes += needed;
}

void backlog_forget_last(struct backlog *backlog)
{
    assert(backlog->can_forget);
    backlog->can_forget = false;
    backlog->next = backlog->before_next;
    backlog->last_seq = backlog->before_seq;
    struct chunk *chunk = backlog->youngest;
    if (!chunk)
        return;
    backlog->bytes -= chunk_used(chunk) - backlog->before_front - backlog->before_back;
    chunk->front = backlog->before_front;
    chunk->back = backlog->before_back;
    if (backlog->next > chunk->first)
        chunk->last_seq = backlog_frame(backlog, backlog->next - 1)->seq;
}

void backlog_restart(struct backlog *backlog, uint64_t seq)
{
    assert(backlog->magic == BACKLOG_MAGIC);
    while (backlog->oldest)
        drop_oldest(backlog);
    backlog->first = ++backlog->next; /* so that no cursor from before is taken for a present one */
    backlog->last_seq = backlog->floor_seq = seq;
    backlog->can_forget = false;
}

uint64_t backlog_first(const struct backlog *backlog)
{
    return backlog->first;
}

uint64_t backlog_next(const struct backlog *backlog)
{
    return backlog->next;
}

uint64_t backlog_last_seq(const struct backlog *backlog)
{
    return backlog->last_seq;
}

uint64_t backlog_floor_seq(const struct backlog *backlog)
{
    return backlog->floor_seq;
}

uint64_t backlog_bytes(const struct backlog *backlog)
{
    return backlog->bytes;
}

const struct backlog_frame *backlog_frame(const struct backlog *backlog, uint64_t number)
{
    assert(number >= backlog->first && number < backlog->next);
    return &backlog->frames[number & (backlog->capacity - 1)];
}

uint64_t backlog_find(const struct backlog *backlog, uint64_t seq)
{
    if (seq >= backlog->last_seq)
        return backlog->next;
    uint64_t low = backlog->first, high = backlog->next;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (backlog_frame(backlog, middle)->seq > seq)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}
