#ifndef SHARED_CONFIG_PERMISSION_H
#define SHARED_CONFIG_PERMISSION_H

#include <stdbool.h>
#include <stdint.h>

/** Permissions are numbered by their place in struct config, so a set of them is a bit field. */
enum { PERMISSION_LIMIT = 256 };

struct permission_set {
    uint64_t bits[PERMISSION_LIMIT / 64];
};

static inline void permission_add(struct permission_set *set, unsigned permission)
{
    set->bits[permission / 64] |= UINT64_C(1) << (permission % 64);
}

static inline bool permission_has(const struct permission_set *set, unsigned permission)
{
    return (set->bits[permission / 64] >> (permission % 64)) & 1;
}

/** Whether @set has all of @needed. */
static inline bool permission_covers(const struct permission_set *set, const struct permission_set *needed)
{
    for (unsigned i = 0; i < PERMISSION_LIMIT / 64; i++)
        if (needed->bits[i] & ~set->bits[i])
            return false;
    return true;
}

#endif
