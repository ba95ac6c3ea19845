#ifndef SHARED_IPC_PRESENCE_H
#define SHARED_IPC_PRESENCE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Which stored sessions are connected, and when each was last, in memory that all workers share: so that what
 * is in use at one worker is seen by a log-in at another, to the millisecond, and whatever the wall clock
 * does meanwhile. Each worker writes its own row and reads all; the master clears the row of a worker that
 * has died. The size is fixed: a row has four places for each connection that a worker has when all have
 * equally many, and what has been away for longest gives way. Only where more are connected than fit is one
 * not noted; its last use is then known from the store alone, to the hour.
 */

struct presence;

struct presence_seen {
    bool connected;
    uint64_t last_ms; /* monotonic: when a connection with it last began or ended; 0: not known */
};

/** Maps an empty table, shared with all later children, for @connections in all. NULL with errno. */
[[gnu::warn_unused_result]] struct presence *presence_create(uint32_t workers, uint64_t connections);

/** A connection of @worker has the session from now on; it is known by its token's @hash, of which 16 bytes
 * are used. @now_ms: monotonic. Only that worker calls it. */
void presence_add(struct presence *presence, uint32_t worker, const uint8_t *hash, uint64_t now_ms);

/** It has it no longer. */
void presence_remove(struct presence *presence, uint32_t worker, const uint8_t *hash, uint64_t now_ms);

/** What all workers together know of the session. */
struct presence_seen presence_look(const struct presence *presence, const uint8_t *hash);

/** Forgets what @worker has noted: it is dead. */
void presence_clear(struct presence *presence, uint32_t worker);

#endif
