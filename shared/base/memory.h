#ifndef SHARED_BASE_MEMORY_H
#define SHARED_BASE_MEMORY_H

#include <stddef.h>

/*
 * Allocation that cannot fail: when there is no memory the process ends with a message (the master starts
 * another). Whatever a peer can make grow is bounded before it is allocated, so this is not reached by input.
 *
 * What peers send may be a password or a token, on whatever way it comes and however it ends. So nobody asks
 * whether it is one: all memory that held bytes of a peer, or an answer to one, is let go through
 * memory_wipe(), by memory_release() or in a struct buffer, which calls it wherever bytes leave its use.
 */

/** @bytes uninitialised bytes; the caller frees. */
[[gnu::malloc, gnu::returns_nonnull]] void *memory_allocate(size_t bytes);

/** @count zeroed elements of @size bytes; the multiplication is checked. */
[[gnu::malloc, gnu::returns_nonnull]] void *memory_zeroed(size_t count, size_t size);

/** Like realloc(3) for @count elements of @size bytes; the multiplication is checked. The old place is left
 * as it is: not for what came from a peer. */
[[gnu::returns_nonnull, gnu::warn_unused_result]] void *memory_resize(void *old, size_t count, size_t size);

/** A copy of @length bytes with a NUL after them. */
[[gnu::malloc, gnu::returns_nonnull]] char *memory_copy(const void *data, size_t length);

/** Overwrites @bytes; no compiler leaves it out. NULL is fine when there are none. */
void memory_wipe(void *memory, size_t bytes);

/** Frees @memory, of which the first @used bytes are wiped: those that were written to. NULL is fine. */
void memory_release(void *memory, size_t used);

/** The same for a text that ends with a NUL. */
void memory_release_text(char *text);

#endif
