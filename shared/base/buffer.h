#ifndef SHARED_BASE_BUFFER_H
#define SHARED_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "shared/base/slice.h"

/**
 * Bytes that grow. All zero is an empty buffer. Who declares it frees it with buffer_free().
 *
 * Nothing stays behind in memory that is not in use: bytes are wiped where they leave ->length, by every
 * function that makes it less and where they move to a larger place. So what is written after ->length is
 * added to it, and ->length is not made less by hand.
 */
struct buffer {
    char *data;
    size_t length;   /* bytes in use */
    size_t capacity; /* bytes allocated */
};

/** Makes room for @more bytes: the rare part of buffer_reserve(). */
void buffer_grow(struct buffer *buffer, size_t more);

/** Room for @more bytes after the used ones; returns where they start. Add what was written to ->length. */
static inline char *buffer_reserve(struct buffer *buffer, size_t more)
{
    if (more > buffer->capacity - buffer->length)
        buffer_grow(buffer, more);
    return buffer->data + buffer->length;
}

static inline void buffer_append(struct buffer *buffer, const void *data, size_t length)
{
    if (length == 0)
        return;
    memcpy(buffer_reserve(buffer, length), data, length);
    buffer->length += length;
}

static inline void buffer_append_slice(struct buffer *buffer, struct slice slice)
{
    buffer_append(buffer, slice.data, slice.length);
}

/** Appends a C string without its NUL. */
static inline void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

static inline void buffer_append_byte(struct buffer *buffer, char byte)
{
    *buffer_reserve(buffer, 1) = byte;
    buffer->length++;
}

/** Appends @value in decimal. */
void buffer_append_unsigned(struct buffer *buffer, uint64_t value);
void buffer_append_signed(struct buffer *buffer, int64_t value);

/** printf(3) into the buffer. */
[[gnu::format(printf, 2, 3)]] void buffer_append_format(struct buffer *buffer, const char *format, ...);

/** Removes the first @length bytes (moves the rest to the front). */
void buffer_consume(struct buffer *buffer, size_t length);

/** Removes what is after the first @length bytes, of which there are no fewer. */
void buffer_shorten(struct buffer *buffer, size_t length);

/** Forgets the contents; keeps the memory. */
void buffer_clear(struct buffer *buffer);

/** Frees the memory; the buffer is empty and usable again. */
void buffer_free(struct buffer *buffer);

static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return slice_of(buffer->data ? buffer->data : "", buffer->length);
}

#endif
