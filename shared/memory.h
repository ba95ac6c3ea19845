#ifndef SHARED_MEMORY_H
#define SHARED_MEMORY_H

#include <stddef.h>

/*
 * Allocation that cannot fail: when there is no memory the process ends with a message (the master starts
 * another). Whatever a peer can make grow is bounded before it is allocated, so this is not reached by input.
 */

/** @bytes uninitialised bytes; the caller frees. */
[[gnu::malloc, gnu::returns_nonnull]] void *memory_allocate(size_t bytes);

/** @count zeroed elements of @size bytes; the multiplication is checked. */
[[gnu::malloc, gnu::returns_nonnull]] void *memory_zeroed(size_t count, size_t size);

/** Like realloc(3) for @count elements of @size bytes; the multiplication is checked. */
[[gnu::returns_nonnull, gnu::warn_unused_result]] void *memory_resize(void *old, size_t count, size_t size);

/** A copy of @length bytes with a NUL behind them. */
[[gnu::malloc, gnu::returns_nonnull]] char *memory_copy(const void *data, size_t length);

#endif
