#ifndef WORKER_SESSION_TOKEN_USE_H
#define WORKER_SESSION_TOKEN_USE_H

#include "shared/json/json.h"
#include "worker/base/worker.h"

/*
 * When a session was last used, which decides whether its token has expired and which session gives way to a
 * new one. The store is told of it once an hour; what the workers know of each other (shared/ipc/presence.h)
 * is newer, and goes by the monotonic clock: a wall clock that jumps makes no session older.
 */

/* From what is known least: these give way first. */
enum token_rank {
    TOKEN_AHEAD,     /* its stored time is in the future: the clock was wrong, then or now */
    TOKEN_KNOWN,     /* not connected */
    TOKEN_CONNECTED, /* at any worker */
};

struct token_use {
    bool over; /* the session has ended, or its token has expired */
    enum token_rank rank;
    uint64_t noted_ms; /* wall clock: used last, as the store or a worker knows; a connection's start too */
    uint64_t used_ms;  /* the same for clients: now, when it is connected */
};

/** What is known of the stored log-in @id. @now_ms: wall clock. */
struct token_use token_use_read(const struct worker *worker, struct slice id, struct json_value document,
                                uint64_t now_ms);

/** It is used now: has that stored when what is stored is an hour off, not waited for. A time in the future
 * is put back only when the clock has not jumped for an hour: it may be now that it is wrong. */
void token_use_store(struct worker *worker, struct slice id, struct json_value document);

/** Once a second: has stored that sessions are used which have been connected for an hour, or since before
 * the wall clock jumped. Looks at a bounded number of them. */
void token_use_tick(struct worker *worker);

#endif
