#ifndef SHARED_BASE_SLICE_H
#define SHARED_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Bytes that somebody else owns. A slice without data is "absent"; one of length 0 with data is empty. */
struct slice {
    const char *data;
    size_t length;
};

/** A slice of a string literal, without its terminating NUL. */
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

static inline struct slice slice_of(const char *data, size_t length)
{
    return (struct slice){data, length};
}

/** A slice of a C string; of NULL: absent. */
static inline struct slice slice_text(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

/** Byte order, as LMDB orders keys: negative, 0 or positive. */
static inline int slice_compare(struct slice a, struct slice b)
{
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
    return order ? order : (a.length > b.length) - (a.length < b.length);
}

/** FNV-1a, 64 bits: for tables of which nobody outside picks the keys. */
static inline uint64_t slice_hash(struct slice slice)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < slice.length; i++)
        hash = (hash ^ (unsigned char)slice.data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

#endif
