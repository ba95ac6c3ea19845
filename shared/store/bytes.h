#ifndef SHARED_STORE_BYTES_H
#define SHARED_STORE_BYTES_H

#include <stdint.h>
#include <string.h>

#include "shared/slice.h"

/* Integers in stored bytes: little-endian in values, big-endian in keys (so that byte order is numeric
 * order). */

static inline void bytes_put_16(char *at, uint16_t value)
{
    at[0] = (char)(value & 0xFF);
    at[1] = (char)(value >> 8);
}

static inline void bytes_put_32(char *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (char)(value >> 8 * i & 0xFF);
}

static inline void bytes_put_64(char *at, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        at[i] = (char)(value >> 8 * i & 0xFF);
}

static inline void bytes_put_64_big(char *at, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        at[i] = (char)(value >> (56 - 8 * i) & 0xFF);
}

static inline uint16_t bytes_get_16(const char *at)
{
    return (uint16_t)((unsigned char)at[0] | (unsigned char)at[1] << 8);
}

static inline uint32_t bytes_get_32(const char *at)
{
    uint32_t value = 0;
    for (unsigned i = 4; i-- > 0;)
        value = value << 8 | (unsigned char)at[i];
    return value;
}

static inline uint64_t bytes_get_64(const char *at)
{
    uint64_t value = 0;
    for (unsigned i = 8; i-- > 0;)
        value = value << 8 | (unsigned char)at[i];
    return value;
}

static inline uint64_t bytes_get_64_big(const char *at)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value = value << 8 | (unsigned char)at[i];
    return value;
}

/** Takes @length bytes off the front of @from. False when there are not so many. */
static inline bool bytes_take(struct slice *from, size_t length, struct slice *out)
{
    if (from->length < length)
        return false;
    *out = slice_of(from->data, length);
    from->data += length;
    from->length -= length;
    return true;
}

#endif
