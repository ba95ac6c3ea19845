#ifndef DAEMON_COMMITTER_STORE_STAGING_H
#define DAEMON_COMMITTER_STORE_STAGING_H

#include <stdint.h>

#include "shared/base/slice.h"

/*
 * What a change set has staged so far, found by id (or unique value) when a later operation of the same set
 * asks. Emptying costs nothing, since most sets have one operation.
 */

struct staging_slot;

/** All zero is an empty table. */
struct staging {
    struct staging_slot *slots;
    size_t size, count; /* size: a power of two, or 0 */
    uint64_t round;     /* slots of earlier rounds are free */
    uint64_t secret;    /* ids are chosen by clients: nobody shall be able to make them collide */
};

void staging_clear(struct staging *table);

/** What is kept for @key in @space; NULL: nothing. */
void *staging_find(const struct staging *table, uint32_t space, struct slice key);

/** Keeps @value, which must outlive the round as @key must; instead of what was kept before. */
void staging_put(struct staging *table, uint32_t space, struct slice key, void *value);

void staging_free(struct staging *table);

#endif
