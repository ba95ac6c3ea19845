#include "shared/ipc/presence.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

/*
 * A row is a table of sets; a session has its place in one set of each row. The hash is of random bytes: some
 * of it chooses the set, 64 other bits are the tag, which no two sessions share. ->state: the time of last
 * use above, 24 bits of count below.
 *
 *   state    63 .......... last_ms .......... 24 | 23 .. connections .. 0
 */
enum { WAYS = 16, PLACES_A_CONNECTION = 4, SETS_LEAST = 64, SETS_MOST = 1 << 22, COUNT_BITS = 24 };

#define COUNT_MOST ((UINT64_C(1) << COUNT_BITS) - 1)

struct place {
    _Atomic uint64_t tag; /* 0: free */
    _Atomic uint64_t state;
};

struct presence {
    uint32_t workers;
    uint32_t sets; /* of a row; a power of two */
    struct place places[];
};

struct presence *presence_create(uint32_t workers, uint64_t connections)
{
    uint64_t wanted = (connections / (workers ? workers : 1) + 1) * PLACES_A_CONNECTION / WAYS;
    uint32_t sets = SETS_LEAST;
    while (sets < wanted && sets < SETS_MOST)
        sets *= 2;
    size_t size = sizeof(struct presence) + (size_t)workers * sets * WAYS * sizeof(struct place);
    struct presence *presence =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (presence == MAP_FAILED)
        return NULL;
    presence->workers = workers;
    presence->sets = sets;
    return presence;
}

static size_t presence_set(const struct presence *presence, uint32_t worker, const uint8_t *hash)
{
    uint32_t number;
    memcpy(&number, hash, sizeof number);
    return ((size_t)worker * presence->sets + (number & (presence->sets - 1))) * WAYS;
}

static uint64_t presence_tag(const uint8_t *hash)
{
    uint64_t tag;
    memcpy(&tag, hash + 8, sizeof tag);
    return tag ? tag : 1;
}

static struct place *find_presence(struct place *set, uint64_t tag)
{
    for (unsigned i = 0; i < WAYS; i++)
        if (atomic_load_explicit(&set[i].tag, memory_order_relaxed) == tag)
            return &set[i];
    return NULL;
}

/* A free place, or that of the session that has been away for longest. NULL: all are connected. */
static struct place *presence_make_room(struct place *set)
{
    struct place *oldest = NULL;
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < WAYS; i++) {
        uint64_t state = atomic_load_explicit(&set[i].state, memory_order_relaxed);
        if ((state & COUNT_MOST) == 0 && state < least) { /* a free place has state 0 */
            oldest = &set[i];
            least = state;
        }
    }
    return oldest;
}

static void note_presence(struct place *place, uint64_t count, uint64_t now_ms)
{
    assert(count <= COUNT_MOST); /* descriptors of one process */
    atomic_store(&place->state, now_ms << COUNT_BITS | count);
}

void presence_add(struct presence *presence, uint32_t worker, const uint8_t *hash, uint64_t now_ms)
{
    struct place *set = &presence->places[presence_set(presence, worker, hash)];
    uint64_t tag = presence_tag(hash);
    struct place *place = find_presence(set, tag);
    if (!place) {
        place = presence_make_room(set);
        if (!place)
            return;
        /* No reader takes the state of one session for that of another: see look_in_row(). */
        atomic_store(&place->tag, 0);
        atomic_store(&place->state, 0);
        atomic_store(&place->tag, tag);
    }
    uint64_t state = atomic_load_explicit(&place->state, memory_order_relaxed);
    note_presence(place, (state & COUNT_MOST) + 1, now_ms);
}

void presence_remove(struct presence *presence, uint32_t worker, const uint8_t *hash, uint64_t now_ms)
{
    struct place *place =
        find_presence(&presence->places[presence_set(presence, worker, hash)], presence_tag(hash));
    uint64_t state = place ? atomic_load_explicit(&place->state, memory_order_relaxed) : 0;
    if (state & COUNT_MOST) /* else there was no room for it when it came */
        note_presence(place, (state & COUNT_MOST) - 1, now_ms);
}

static uint64_t look_in_row(const struct presence *presence, uint32_t worker, const uint8_t *hash)
{
    const struct place *set = &presence->places[presence_set(presence, worker, hash)];
    uint64_t tag = presence_tag(hash);
    for (unsigned i = 0; i < WAYS; i++) {
        if (atomic_load(&set[i].tag) != tag)
            continue;
        uint64_t state = atomic_load(&set[i].state);
        /* A place changes hands with the tag first: if that is still the same the state was its own. */
        return atomic_load(&set[i].tag) == tag ? state : 0;
    }
    return 0;
}

struct presence_seen presence_look(const struct presence *presence, const uint8_t *hash)
{
    struct presence_seen seen = {0};
    for (uint32_t worker = 0; worker < presence->workers; worker++) {
        uint64_t state = look_in_row(presence, worker, hash), last_ms = state >> COUNT_BITS;
        seen.connected |= (state & COUNT_MOST) != 0;
        if (last_ms > seen.last_ms)
            seen.last_ms = last_ms;
    }
    return seen;
}

void presence_clear(struct presence *presence, uint32_t worker)
{
    struct place *row = &presence->places[(size_t)worker * presence->sets * WAYS];
    for (size_t i = 0; i < (size_t)presence->sets * WAYS; i++)
        if (atomic_load_explicit(&row[i].tag, memory_order_relaxed)) {
            atomic_store(&row[i].tag, 0);
            atomic_store(&row[i].state, 0);
        }
}
