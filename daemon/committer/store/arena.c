#include "daemon/committer/store/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>

#include "shared/base/memory.h"

enum { CHUNK_BYTES = 1024 * 1024, CHUNKS_KEPT = 8 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t used, size;
    alignas(max_align_t) char data[];
};

static struct arena_chunk *chunk_new(size_t bytes)
{
    size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
    struct arena_chunk *chunk = memory_allocate(sizeof *chunk + size);
    chunk->next = NULL;
    chunk->used = 0;
    chunk->size = size;
    return chunk;
}

void *arena_allocate(struct arena *arena, size_t bytes)
{
    bytes = (bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (!arena->current) {
        if (!arena->first)
            arena->first = chunk_new(bytes);
        arena->current = arena->first;
        arena->current->used = 0;
    }
    while (arena->current->size - arena->current->used < bytes) {
        struct arena_chunk *next = arena->current->next;
        if (!next || next->size < bytes) {
            struct arena_chunk *chunk = chunk_new(bytes);
            chunk->next = next;
            arena->current->next = chunk;
            next = chunk;
        }
        next->used = 0;
        arena->current = next;
    }
    void *memory = arena->current->data + arena->current->used;
    arena->current->used += bytes;
    return memory;
}

struct slice arena_copy(struct arena *arena, struct slice slice)
{
    if (!slice.data)
        return slice;
    char *copy = arena_allocate(arena, slice.length ? slice.length : 1);
    if (slice.length)
        memcpy(copy, slice.data, slice.length);
    return slice_of(copy, slice.length);
}

struct arena_mark arena_mark(const struct arena *arena)
{
    return (struct arena_mark){arena->current, arena->current ? arena->current->used : 0};
}

/* Wipes what is in use after the first @kept bytes of a chunk. */
static void chunk_shorten(struct arena_chunk *chunk, size_t kept)
{
    memory_wipe(chunk->data + kept, chunk->used - kept);
    chunk->used = kept;
}

void arena_release(struct arena *arena, struct arena_mark mark)
{
    struct arena_chunk *chunk = mark.chunk ? mark.chunk : arena->first;
    bool in_use = arena->current != NULL;
    size_t kept = mark.chunk ? mark.used : 0;
    for (; in_use; chunk = chunk->next, kept = 0) {
        chunk_shorten(chunk, kept);
        in_use = chunk != arena->current;
    }
    arena->current = mark.chunk;
}

static void free_after(struct arena_chunk **link)
{
    while (*link) {
        struct arena_chunk *chunk = *link;
        *link = chunk->next;
        memory_release(chunk, sizeof *chunk + chunk->used);
    }
}

void arena_reset(struct arena *arena)
{
    arena_release(arena, (struct arena_mark){0});
    /* A chunk that was made for something big does not stay. */
    struct arena_chunk **link = &arena->first;
    for (unsigned kept = 0; *link && kept < CHUNKS_KEPT;) {
        if ((*link)->size == CHUNK_BYTES) {
            link = &(*link)->next;
            kept++;
            continue;
        }
        struct arena_chunk *big = *link;
        *link = big->next;
        free(big); /* nothing is in it any more */
    }
    free_after(link);
}

void arena_free(struct arena *arena)
{
    free_after(&arena->first);
    arena->current = NULL;
}
