#ifndef CLIENT_BENCH_MANIFEST_H
#define CLIENT_BENCH_MANIFEST_H

#include "client/c/client.h"

/* What a client holds: ids and versions, and the sync calls that tell the server. */

struct manifest_entry {
    size_t id; /* offset of the id, as a JSON string with quotes, in ->ids */
    uint32_t id_length;
    int64_t version;
};

struct manifest {
    struct buffer ids;
    struct manifest_entry *entries; /* in byte order of the ids */
    size_t count, capacity;
};

/** Learns what the collection holds by a sync with nothing. False: ->message of the client says why not. */
[[gnu::warn_unused_result]] bool manifest_learn(struct manifest *manifest, struct client *client,
                                                const char *collection);

/**
 * The calls of a sync: one for each range of ids, each message below 1 MiB (the tid is the call's place).
 * @stale_every N > 0: every Nth document with another version than the server's. Returns how many; *@stale:
 * how many are stale.
 */
size_t manifest_calls(const struct manifest *manifest, const char *collection, uint64_t stale_every,
                      struct buffer **calls, uint64_t *stale);

void manifest_free(struct manifest *manifest);

#endif
