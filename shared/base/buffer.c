#include "shared/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>

#include "shared/base/log.h"
#include "shared/base/memory.h"

enum { SMALLEST_CAPACITY = 64, DECIMAL_DIGITS = 20 };

void buffer_grow(struct buffer *buffer, size_t more)
{
    if (more > SIZE_MAX / 2 - buffer->length)
        log_fatal("out of memory: a buffer of %zu bytes was asked for %zu more", buffer->length, more);
    size_t capacity = buffer->capacity ? buffer->capacity : SMALLEST_CAPACITY;
    while (capacity - buffer->length < more)
        capacity *= 2;
    char *data = memory_allocate(capacity); /* realloc(3) would leave the bytes in the old place */
    if (buffer->length)
        memcpy(data, buffer->data, buffer->length);
    memory_release(buffer->data, buffer->length);
    buffer->data = data;
    buffer->capacity = capacity;
}

void buffer_append_unsigned(struct buffer *buffer, uint64_t value)
{
    char digits[DECIMAL_DIGITS];
    size_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    buffer_append(buffer, digits + first, sizeof digits - first);
}

void buffer_append_signed(struct buffer *buffer, int64_t value)
{
    uint64_t magnitude = (uint64_t)value;
    if (value < 0) {
        buffer_append_byte(buffer, '-');
        magnitude = 0 - magnitude;
    }
    buffer_append_unsigned(buffer, magnitude);
}

void buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        log_fatal("a text could not be formatted: %s", format);
    char *place = buffer_reserve(buffer, (size_t)length + 1);
    vsnprintf(place, (size_t)length + 1, format, again);
    va_end(again);
    buffer->length += (size_t)length;
}

void buffer_consume(struct buffer *buffer, size_t length)
{
    if (length >= buffer->length) {
        buffer_clear(buffer);
        return;
    }
    memmove(buffer->data, buffer->data + length, buffer->length - length);
    buffer_shorten(buffer, buffer->length - length);
}

void buffer_shorten(struct buffer *buffer, size_t length)
{
    memory_wipe(buffer->data + length, buffer->length - length);
    buffer->length = length;
}

void buffer_clear(struct buffer *buffer)
{
    memory_wipe(buffer->data, buffer->length);
    buffer->length = 0;
}

void buffer_free(struct buffer *buffer)
{
    memory_release(buffer->data, buffer->length);
    *buffer = (struct buffer){0};
}
