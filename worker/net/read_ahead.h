#ifndef WORKER_NET_READ_AHEAD_H
#define WORKER_NET_READ_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/slice.h"

/*
 * Messages that came while the owner takes none, in their order. They are read all the same, up to a window
 * (which connection_hold.c bounds), so that pings and the close frame among them are answered. Nothing is kept
 * for a connection that has none.
 */

struct read_ahead;

/** Keeps a copy of @message. @ahead: the connection's slot, NULL while nothing waits. @sum: of the memory
 * that those of all connections take, kept here and below; it outlives them. */
void read_ahead_add(struct read_ahead **ahead, uint64_t *sum, struct slice message, bool binary,
                    uint64_t now_ms);

/** Takes the first one into @message, valid until the next call with this slot; frees all with the last.
 * False: there is none. */
[[gnu::warn_unused_result]] bool read_ahead_take(struct read_ahead **ahead, uint64_t now_ms,
                                                 struct slice *message, bool *binary);

/** Bytes of those that wait. */
size_t read_ahead_bytes(const struct read_ahead *ahead);

/** Bytes of memory that they take. */
size_t read_ahead_memory(const struct read_ahead *ahead);

/** When one was last taken, or the first one came (monotonic). */
uint64_t read_ahead_moved_ms(const struct read_ahead *ahead);

void read_ahead_free(struct read_ahead **ahead);

#endif
