#ifndef DAEMON_COMMITTER_STORE_WRITE_H
#define DAEMON_COMMITTER_STORE_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/base/error_code.h"
#include "shared/base/slice.h"

/*
 * Writing: the committer's side. One transaction at a time:
 *
 *   store_write_begin, change_set_apply for every set that waits, store_write_results, store_write_commit.
 */

struct store;
struct writer; /* write_open.h */

/** One committed change, for the ring. Slices are valid until the next store_write_begin(). */
struct applied_change {
    uint64_t seq;
    uint64_t version;
    uint16_t collection;
    bool removed;
    struct slice id;
    struct slice tag_before, tag_after;
    struct slice minimal; /* JSON; absent when removed */
};

[[gnu::warn_unused_result]] enum error_code store_write_begin(struct writer *writer);

/** Puts @bytes under meta "results/@slot" in this transaction: what the committer would have answered. */
[[gnu::warn_unused_result]] enum error_code store_write_results(struct writer *writer, unsigned slot,
                                                                struct slice bytes);

/** Trims the change log and expired `once` answers, commits (and syncs, with durability full). */
[[gnu::warn_unused_result]] enum error_code store_write_commit(struct writer *writer);
void store_write_abort(struct writer *writer);

/** Units of work (set_work.h) that were charged in the transaction that is or was open last. */
uint64_t store_write_work(const struct writer *writer);

/** The changes of the last committed transaction, in order. */
const struct applied_change *store_write_changes(const struct writer *writer, size_t *count);

/** Last committed sequence number. */
uint64_t store_write_seq(const struct writer *writer);

/** The bytes of the last store_write_results() for @slot that was committed; appended to @out. */
void store_write_read_results(const struct writer *writer, unsigned slot, struct buffer *out);

/** With durability relaxed: sync now (called every second or so, and before stopping). */
[[gnu::warn_unused_result]] enum error_code store_write_sync(struct writer *writer);

/** The store as the writer reads it itself: for store_begin() and what needs a snapshot. It stays the
 * writer's. */
struct store *store_write_reader(struct writer *writer);

#endif
