#include "shared/ring/ring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shared/base/memory.h"
#include "shared/ring/layout.h"

enum { RING_MOST_BYTES = 1 << 30 }; /* lengths of records are 32 bits */

/* The mapping is all that is kept of the memfd; nobody can shrink it under a reader any more. */
static struct ring_shared *map_memory(size_t bytes)
{
    int fd = memfd_create("dispatchd-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return NULL;
    void *memory = MAP_FAILED;
    if (ftruncate(fd, (off_t)(RING_DATA + bytes)) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        memory = mmap(NULL, RING_DATA + bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int error = errno;
    close(fd);
    errno = error;
    return memory == MAP_FAILED ? NULL : memory;
}

struct ring *ring_create(size_t bytes)
{
    if (bytes < RING_LEAST_BYTES || bytes > RING_MOST_BYTES || (bytes & (bytes - 1)) != 0) {
        errno = EINVAL;
        return NULL;
    }
    struct ring_shared *shared = map_memory(bytes);
    if (!shared)
        return NULL;
    shared->magic = RING_MAGIC;
    shared->bytes = bytes;

    struct ring *ring = memory_zeroed(1, sizeof *ring);
    ring->magic = RING_MAGIC;
    ring->shared = shared;
    return ring;
}

void ring_close(struct ring **ring)
{
    if (!*ring)
        return;
    assert((*ring)->magic == RING_MAGIC);
    ring_wakeup_close(*ring);
    munmap((*ring)->shared, RING_DATA + (*ring)->shared->bytes);
    (*ring)->magic = 0;
    free(*ring);
    *ring = NULL;
}

size_t ring_bytes(const struct ring *ring)
{
    return ring->shared->bytes;
}

/* The producer writes a place only while the generation names the other one. If the generation is the same
 * before and after, the place was not written meanwhile; otherwise there is a newer one. A dead producer
 * stops nobody here. */
struct ring_published ring_published(const struct ring *ring)
{
    const struct ring_shared *shared = ring->shared;
    assert(ring->magic == RING_MAGIC && shared->magic == RING_MAGIC);
    for (;;) {
        uint64_t generation = atomic_load_explicit(&shared->generation, memory_order_acquire);
        const struct ring_place *place = &shared->places[generation % 2];
        struct ring_published published = {atomic_load_explicit(&place->position, memory_order_relaxed),
                                           atomic_load_explicit(&place->seq, memory_order_relaxed)};
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&shared->generation, memory_order_relaxed) == generation)
            return published;
    }
}

uint64_t ring_last_seq(const struct ring *ring)
{
    return ring_published(ring).seq;
}

uint64_t ring_head(const struct ring *ring)
{
    return ring_published(ring).position;
}

bool ring_started(const struct ring *ring)
{
    return atomic_load_explicit(&ring->shared->generation, memory_order_acquire) > 0;
}
