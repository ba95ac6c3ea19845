#include <assert.h>

#include "shared/ring/layout.h"

void ring_cursor_start(struct ring_cursor *cursor, const struct ring *ring)
{
    struct ring_published published = ring_published(ring);
    *cursor = (struct ring_cursor){
        .ring = ring,
        .position = published.position,
        .seq = published.seq,
        .next_position = published.position,
        .next_seq = published.seq,
    };
}

/* Whether what was read at the cursor so far was whole. The fence: whoever has read a newer byte sees the
 * valid_from that was stored before it. */
static bool still_valid(const struct ring_cursor *cursor)
{
    atomic_thread_fence(memory_order_acquire);
    return cursor->position >= atomic_load_explicit(&cursor->ring->shared->valid_from, memory_order_relaxed);
}

static struct ring_header read_header(const struct ring_shared *shared, uint64_t at)
{
    uint64_t words[RING_HEADER_WORDS] = {0};
    const _Atomic uint64_t *from = (const _Atomic uint64_t *)(const void *)(shared->data + at);
    unsigned count = RING_HEADER_WORDS;
    if (shared->bytes - at < sizeof words) /* only a skip can be here */
        count = (unsigned)((shared->bytes - at) / sizeof *words);
    for (unsigned i = 0; i < count; i++)
        words[i] = atomic_load_explicit(&from[i], memory_order_relaxed);
    struct ring_header header;
    memcpy(&header, words, sizeof header);
    return header;
}

static struct slice next_slice(const char **from, uint64_t length)
{
    struct slice slice = {length ? *from : NULL, length};
    *from += length;
    return slice;
}

/* The slices of a record whose header is whole: all of them lie within it, and it within the mapping. */
static void open_record(const struct ring_shared *shared, uint64_t at, const struct ring_header *header,
                        struct ring_record *record)
{
    uint64_t needed = sizeof *header + (uint64_t)header->id_length + header->before_length +
                      header->after_length + (uint64_t)header->update_length + header->remove_length;
    assert(header->kind == RING_RECORD && needed <= header->length && header->length <= shared->bytes - at);
    const char *from = shared->data + at + sizeof *header;
    record->seq = header->seq;
    record->version = header->version;
    record->collection = header->collection;
    record->fetch = header->flags & RING_FETCH;
    record->id = next_slice(&from, header->id_length);
    record->tag_before = next_slice(&from, header->before_length);
    record->tag_after = next_slice(&from, header->after_length);
    record->update_frame = next_slice(&from, header->update_length);
    record->remove_frame = next_slice(&from, header->remove_length);
}

enum ring_result ring_read(struct ring_cursor *cursor, struct ring_record *record)
{
    const struct ring_shared *shared = cursor->ring->shared;
    uint64_t head = ring_head(cursor->ring);
    assert(cursor->position <= head);
    while (cursor->position < head) {
        uint64_t at = cursor->position % shared->bytes;
        struct ring_header header = read_header(shared, at);
        if (!still_valid(cursor))
            return RING_OVERRUN;
        assert(header.length >= sizeof(uint64_t) && header.length % sizeof(uint64_t) == 0);
        assert(header.length <= shared->bytes - at && header.length <= head - cursor->position);
        if (header.kind == RING_SKIP) {
            assert(header.length == shared->bytes - at);
            cursor->position += header.length;
            continue;
        }
        assert(header.seq > cursor->seq);
        open_record(shared, at, &header, record);
        cursor->next_position = cursor->position + header.length;
        cursor->next_seq = header.seq;
        return RING_OK;
    }
    return RING_END;
}

enum ring_result ring_confirm(struct ring_cursor *cursor)
{
    assert(cursor->next_position > cursor->position); /* a record was read */
    if (!still_valid(cursor))
        return RING_OVERRUN;
    cursor->position = cursor->next_position;
    cursor->seq = cursor->next_seq;
    return RING_OK;
}
