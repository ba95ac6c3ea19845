#ifndef TESTS_DISPATCH_WORLD_H
#define TESTS_DISPATCH_WORLD_H

#include <stdint.h>

#include "worker/output/backlog.h"
#include "worker/output/viewer.h"

/* A configuration of four collections, records with made-up tags, and random numbers that come again. */

enum { OPEN, OWNED, HIDDEN, INTERNAL, COLLECTIONS };

static struct config_collection world_collections[COLLECTIONS] = {
    [OPEN] = {.name = "open", .index = OPEN},
    [OWNED] = {.name = "owned", .index = OWNED, .has_rights = true},
    [HIDDEN] = {.name = "hidden", .index = HIDDEN},
    [INTERNAL] = {.name = "internal", .index = INTERNAL, .internal = true},
};

static const struct config world_config = {.collections = world_collections, .collection_count = COLLECTIONS};

/* Access tags: a byte of flags (1 in sync, 2 all may read, 4 the group may), then counted owner and group. */
#define TAG_HELD SLICE("\x03")
#define TAG_OUT_OF_SYNC SLICE("\x02")
#define TAG_ANNA SLICE("\x01\x04\0anna\x05\0staff")
#define TAG_BERT SLICE("\x01\x04\0bert\x05\0staff")
#define TAG_ANNA_GROUP SLICE("\x05\x04\0anna\x05\0staff")
#define TAG_ANNA_OUT_OF_SYNC SLICE("\x04\x04\0anna\x05\0staff")
#define TAG_NONE ((struct slice){0})

static inline uint32_t random_next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

/* 0 to @most - 1 */
static inline uint32_t random_below(uint64_t *state, uint32_t most)
{
    return random_next(state) % most;
}

/* Who sees @collection and is @user (NULL: nobody) in @group (NULL: none). */
static inline struct viewer *world_viewer(struct viewer_table *table, unsigned collections, const char *user,
                                          const char *group)
{
    struct slice groups[] = {slice_text(group)};
    struct viewer_rights rights = {.user = slice_text(user), .groups = groups, .group_count = group ? 1 : 0};
    for (unsigned i = 0; i < COLLECTIONS; i++)
        rights.collections[i] = collections >> i & 1;
    return viewer_get(table, &rights);
}

#endif
