#include "shared/ipc/address_counts.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "shared/base/random.h"

/*
 * A row is a table of sets; an address has its places in one set of each row. A place is one word, so whoever
 * reads it sees an address and its own count: 40 bits of the address's hash above, 24 bits of count below; 0
 * is free. The hash's other bits choose the set.
 */
enum { WAYS = 16, PLACES_A_CONNECTION = 4, SETS_LEAST = 64, COUNT_BITS = 24 };

#define COUNT_MOST ((UINT64_C(1) << COUNT_BITS) - 1)

struct address_counts {
    uint64_t secret; /* odd; so that nobody can choose addresses that meet in one set */
    uint64_t family; /* tells an IPv4 address from the IPv6 network with the same number */
    uint32_t workers;
    uint32_t sets; /* of a row; a power of two */
    _Atomic uint64_t places[];
};

struct address_counts *address_counts_create(uint32_t workers, uint64_t connections)
{
    uint64_t wanted = (connections / (workers ? workers : 1) + 1) * PLACES_A_CONNECTION / WAYS;
    uint32_t sets = SETS_LEAST;
    while (sets < wanted && sets < UINT32_C(1) << COUNT_BITS)
        sets *= 2;
    size_t size = sizeof(struct address_counts) + (size_t)workers * sets * WAYS * sizeof(uint64_t);
    struct address_counts *counts =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (counts == MAP_FAILED)
        return NULL;
    counts->secret = random_number() | 1;
    counts->family = random_number();
    counts->workers = workers;
    counts->sets = sets;
    return counts;
}

/* The mixing of splitmix64: two addresses have the same tag in the same set by chance alone. */
static uint64_t address_hash(const struct address_counts *counts, int family, uint64_t address)
{
    uint64_t hash = address ^ (family == AF_INET ? counts->family : 0);
    hash = (hash ^ hash >> 30) * counts->secret;
    hash = (hash ^ hash >> 27) * UINT64_C(0x94D049BB133111EB);
    return hash ^ hash >> 31;
}

static size_t address_set(const struct address_counts *counts, uint32_t worker, uint64_t hash)
{
    return ((size_t)worker * counts->sets + (hash & (counts->sets - 1))) * WAYS;
}

static uint64_t address_tag(uint64_t hash)
{
    uint64_t tag = hash & ~COUNT_MOST;
    return tag ? tag : COUNT_MOST + 1; /* a place that is taken is never 0 */
}

void address_counts_set(struct address_counts *counts, uint32_t worker, int family, uint64_t address,
                        uint32_t count)
{
    uint64_t hash = address_hash(counts, family, address), tag = address_tag(hash);
    _Atomic uint64_t *place = &counts->places[address_set(counts, worker, hash)], *found = NULL;
    for (unsigned i = 0; i < WAYS; i++) {
        uint64_t now = atomic_load_explicit(&place[i], memory_order_relaxed);
        if (now && (now & ~COUNT_MOST) == tag) {
            found = &place[i];
            break;
        }
        if (!now && !found)
            found = &place[i];
    }
    /* Sequentially consistent, like the loads of the others: of two workers that each say one more and then
     * look at the other's, at least one sees both. */
    if (found)
        atomic_store(found, count == 0 ? 0 : tag | (count < COUNT_MOST ? count : COUNT_MOST));
}

uint64_t address_counts_others(const struct address_counts *counts, uint32_t worker, int family,
                               uint64_t address)
{
    uint64_t hash = address_hash(counts, family, address), tag = address_tag(hash), sum = 0;
    for (uint32_t other = 0; other < counts->workers; other++) {
        if (other == worker)
            continue;
        const _Atomic uint64_t *place = &counts->places[address_set(counts, other, hash)];
        for (unsigned i = 0; i < WAYS; i++) {
            uint64_t now = atomic_load(&place[i]);
            if (now && (now & ~COUNT_MOST) == tag)
                sum += now & COUNT_MOST;
        }
    }
    return sum;
}

void address_counts_clear(struct address_counts *counts, uint32_t worker)
{
    _Atomic uint64_t *row = &counts->places[(size_t)worker * counts->sets * WAYS];
    for (size_t i = 0; i < (size_t)counts->sets * WAYS; i++)
        if (atomic_load_explicit(&row[i], memory_order_relaxed))
            atomic_store_explicit(&row[i], 0, memory_order_relaxed);
}
