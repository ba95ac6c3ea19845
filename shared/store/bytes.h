#ifndef SHARED_STORE_BYTES_H
#define SHARED_STORE_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "shared/base/slice.h"

/* Integers in stored bytes: little-endian in values, big-endian in keys (so that byte order is numeric
 * order). */

static inline void bytes_put_16(char *at, uint16_t value)
{
    value = htole16(value);
    memcpy(at, &value, sizeof value);
}

static inline void bytes_put_32(char *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, sizeof value);
}

static inline void bytes_put_64(char *at, uint64_t value)
{
    value = htole64(value);
    memcpy(at, &value, sizeof value);
}

static inline void bytes_put_64_big(char *at, uint64_t value)
{
    value = htobe64(value);
    memcpy(at, &value, sizeof value);
}

static inline uint16_t bytes_get_16(const char *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return le16toh(value);
}

static inline uint32_t bytes_get_32(const char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

static inline uint64_t bytes_get_64(const char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return le64toh(value);
}

static inline uint64_t bytes_get_64_big(const char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return be64toh(value);
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
