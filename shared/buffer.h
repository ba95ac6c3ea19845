#ifndef SHARED_BUFFER_H
#define SHARED_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "shared/slice.h"

/** Bytes that grow. All zero is an empty buffer. Who declares it frees it with buffer_free(). */
struct buffer {
    char *data;
    size_t length;   /* bytes in use */
    size_t capacity; /* bytes allocated */
};

/** Room for @more bytes behind the used ones; returns where they start. Add what was written to ->length. */
char *buffer_reserve(struct buffer *buffer, size_t more);

void buffer_append(struct buffer *buffer, const void *data, size_t length);
void buffer_append_slice(struct buffer *buffer, struct slice slice);

/** Appends a C string without its NUL. */
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_byte(struct buffer *buffer, char byte);

/** Appends @value in decimal. */
void buffer_append_unsigned(struct buffer *buffer, uint64_t value);
void buffer_append_signed(struct buffer *buffer, int64_t value);

/** printf(3) into the buffer. */
[[gnu::format(printf, 2, 3)]] void buffer_append_format(struct buffer *buffer, const char *format, ...);

/** Removes the first @length bytes (moves the rest to the front). */
void buffer_consume(struct buffer *buffer, size_t length);

/** Forgets the contents; keeps the memory. */
void buffer_clear(struct buffer *buffer);

/** Frees the memory; the buffer is empty and usable again. */
void buffer_free(struct buffer *buffer);

static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return slice_of(buffer->data ? buffer->data : "", buffer->length);
}

#endif
