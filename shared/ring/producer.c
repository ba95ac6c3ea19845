#include <assert.h>

#include "shared/ring/layout.h"

/* valid_from moves in steps, so that readers do not fetch its cache line for each record. */
enum { STEPS = 64 };

static uint64_t round_up(uint64_t value, uint64_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

static uint64_t record_length(const struct ring_record *record)
{
    return round_up(sizeof(struct ring_header) + record->id.length + record->tag_before.length +
                        record->tag_after.length + record->update_frame.length + record->remove_frame.length,
                    sizeof(uint64_t));
}

bool ring_fits(const struct ring *ring, const struct ring_record *record)
{
    uint64_t most = ring->shared->bytes / 4;
    return record->update_frame.length <= most && record->remove_frame.length <= most &&
           record_length(record) <= most;
}

/* Takes over from whoever produced before. It may have appended more than the ring holds and died before
 * publishing: then nothing that is published is valid any more, but what comes next will be. */
static void take_over(struct ring *ring)
{
    if (ring->producing)
        return;
    struct ring_shared *shared = ring->shared;
    assert(ring->magic == RING_MAGIC && shared->magic == RING_MAGIC);
    struct ring_published published = ring_published(ring);
    if (atomic_load_explicit(&shared->valid_from, memory_order_relaxed) > published.position)
        atomic_store_explicit(&shared->valid_from, published.position, memory_order_release);
    ring->tail = published.position;
    ring->tail_seq = published.seq;
    ring->producing = true;
    ring_wake(ring, true);
}

static void publish_tail(struct ring_shared *shared, uint64_t position, uint64_t seq)
{
    uint64_t generation = atomic_load_explicit(&shared->generation, memory_order_relaxed) + 1;
    struct ring_place *place = &shared->places[generation % 2];
    /* Who sees a word of this place must also see that the generation has left it. */
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&place->position, position, memory_order_relaxed);
    atomic_store_explicit(&place->seq, seq, memory_order_relaxed);
    /* Records and place first, then the word that publishes them. */
    atomic_store_explicit(&shared->generation, generation, memory_order_release);
}

void ring_start(struct ring *ring, uint64_t seq)
{
    take_over(ring);
    if (ring_started(ring))
        return;
    publish_tail(ring->shared, 0, seq);
    ring->tail_seq = seq;
}

/* Before anything up to the position @end is written: whatever lies under it is valid no more. */
static void claim_room(struct ring_shared *shared, uint64_t end)
{
    uint64_t valid_from = atomic_load_explicit(&shared->valid_from, memory_order_relaxed);
    if (end <= shared->bytes + valid_from)
        return;
    valid_from = round_up(end - shared->bytes, shared->bytes / STEPS);
    atomic_store_explicit(&shared->valid_from, valid_from, memory_order_relaxed);
    /* Who sees a byte of what is written now must also see this. */
    atomic_thread_fence(memory_order_release);
}

static void write_header(struct ring_shared *shared, uint64_t at, const struct ring_header *header,
                         unsigned words)
{
    uint64_t from[RING_HEADER_WORDS];
    memcpy(from, header, sizeof from);
    _Atomic uint64_t *to = (_Atomic uint64_t *)(void *)(shared->data + at);
    for (unsigned i = 0; i < words; i++)
        atomic_store_explicit(&to[i], from[i], memory_order_relaxed);
}

static char *write_slice(char *to, struct slice from)
{
    if (from.length)
        memcpy(to, from.data, from.length);
    return to + from.length;
}

/* Goes to the beginning of the data if @length bytes do not fit before its end. */
static void ring_make_room(struct ring *ring, uint64_t length)
{
    struct ring_shared *shared = ring->shared;
    uint64_t at = ring->tail % shared->bytes, left = shared->bytes - at;
    if (left >= length)
        return;
    claim_room(shared, ring->tail + left);
    struct ring_header skip = {.length = (uint32_t)left, .kind = RING_SKIP};
    write_header(shared, at, &skip, 1);
    ring->tail += left;
}

static struct ring_header header_of(const struct ring_record *record, uint64_t length)
{
    assert(record->id.length <= UINT16_MAX);
    assert(record->tag_before.length <= UINT16_MAX && record->tag_after.length <= UINT16_MAX);
    return (struct ring_header){
        .length = (uint32_t)length,
        .kind = RING_RECORD,
        .flags = record->fetch ? RING_FETCH : 0,
        .seq = record->seq,
        .version = record->version,
        .update_length = (uint32_t)record->update_frame.length,
        .remove_length = (uint32_t)record->remove_frame.length,
        .collection = record->collection,
        .id_length = (uint16_t)record->id.length,
        .before_length = (uint16_t)record->tag_before.length,
        .after_length = (uint16_t)record->tag_after.length,
    };
}

void ring_append(struct ring *ring, const struct ring_record *record)
{
    take_over(ring);
    struct ring_shared *shared = ring->shared;
    assert(record->seq > ring->tail_seq);

    struct ring_record whole = *record;
    if (!ring_fits(ring, record)) {
        whole.update_frame = whole.remove_frame = (struct slice){0};
        whole.fetch = true;
    }
    uint64_t length = record_length(&whole);
    assert(length <= shared->bytes / 4);

    ring_make_room(ring, length);
    uint64_t at = ring->tail % shared->bytes;
    assert(at % sizeof(uint64_t) == 0 && at + length <= shared->bytes);
    claim_room(shared, ring->tail + length);
    struct ring_header header = header_of(&whole, length);
    write_header(shared, at, &header, RING_HEADER_WORDS);
    char *to = shared->data + at + sizeof header;
    to = write_slice(to, whole.id);
    to = write_slice(to, whole.tag_before);
    to = write_slice(to, whole.tag_after);
    to = write_slice(to, whole.update_frame);
    to = write_slice(to, whole.remove_frame);
    assert(to <= shared->data + at + length);
    ring->tail += length;
    ring->tail_seq = whole.seq;
}

void ring_publish(struct ring *ring)
{
    take_over(ring);
    if (ring->tail == ring_head(ring))
        return;
    publish_tail(ring->shared, ring->tail, ring->tail_seq);
    ring_wake(ring, false);
}
