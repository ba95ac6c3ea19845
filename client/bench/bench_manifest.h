#ifndef CLIENT_BENCH_BENCH_MANIFEST_H
#define CLIENT_BENCH_BENCH_MANIFEST_H

#include "client/c/client.h"

/* What a client holds: ids and versions, and the sync calls that tell the server. */

struct bench_manifest_entry {
    size_t id; /* offset of the id, as a JSON string with quotes, in ->ids */
    uint32_t id_length;
    int64_t version;
};

struct bench_manifest {
    struct buffer ids;
    struct bench_manifest_entry *entries; /* in byte order of the ids */
    size_t count, capacity;
};

/** Learns what the collection holds by a sync with nothing. False: ->message of the client says why not. */
[[gnu::warn_unused_result]] bool bench_manifest_learn(struct bench_manifest *manifest, struct client *client,
                                                      const char *collection);

/**
 * The calls of a sync: one for each range of ids, each message below 1 MiB (the tid is the call's place).
 * @stale_every N > 0: every Nth document with another version than the server's. Returns how many; *@stale:
 * how many are stale.
 */
size_t bench_manifest_calls(const struct bench_manifest *manifest, const char *collection,
                            uint64_t stale_every, struct buffer **calls, uint64_t *stale);

void bench_manifest_free(struct bench_manifest *manifest);

#endif
