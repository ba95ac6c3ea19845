#ifndef DAEMON_COMMITTER_STORE_ARENA_H
#define DAEMON_COMMITTER_STORE_ARENA_H

#include "shared/base/slice.h"

/* Memory that lives as long as a write transaction: taken in big pieces, given back all at once. */

struct arena_chunk;

/** All zero is an empty arena. */
struct arena {
    struct arena_chunk *first, *current;
};

/** A place to return to. */
struct arena_mark {
    struct arena_chunk *chunk;
    size_t used;
};

/** @bytes, aligned for any type; never NULL. */
[[gnu::returns_nonnull]] void *arena_allocate(struct arena *arena, size_t bytes);

/** A copy in the arena; an absent slice stays absent. */
struct slice arena_copy(struct arena *arena, struct slice slice);

struct arena_mark arena_mark(const struct arena *arena);

/** Gives back all that was taken after the mark. */
void arena_release(struct arena *arena, struct arena_mark mark);

/** Gives everything back and keeps a few MiB for the next transaction. */
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);

#endif
