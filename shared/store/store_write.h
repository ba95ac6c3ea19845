#ifndef SHARED_STORE_STORE_WRITE_H
#define SHARED_STORE_STORE_WRITE_H

#include "shared/store/change_set.h"
#include "shared/store/write_open.h"

/*
 * Writing: the committer's side. One transaction at a time:
 *
 *   store_write_begin, store_write_apply for every set that waits, store_write_results, store_write_commit.
 *
 * A set is checked as a whole (on staged copies, seeing the sets before it) before anything of it is put, so
 * a set that fails leaves nothing. A set for which there is no room is refused like any other. When there
 * was less than was reckoned nothing of the transaction remains (result.spoilt, or ERROR_STORE_FULL from
 * commit): the caller aborts and tries the sets one by one.
 */

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

enum { APPLY_MESSAGE = 400 };

struct apply_result {
    enum error_code code;        /* ERROR_NONE: applied (or already there: `once`) */
    uint64_t seq;                /* last sequence number of the set; of the store when it changed nothing */
    struct slice answer;         /* JSON, when ERROR_NONE; valid until the next store_write_begin() */
    uint32_t at_fault;           /* otherwise: which of the set's changes (see change_answer), from 1;
                                    0: none of them, as in a store that is full */
    char message[APPLY_MESSAGE]; /* and why, for the client */
    bool spoilt;                 /* LMDB failed: nothing of the transaction can remain, abort it */
    bool again;                  /* ERROR_STORE_FULL, because of the sets in front of it in the transaction:
                                    commit these, and apply it in another one */
};

[[gnu::warn_unused_result]] enum error_code store_write_begin(struct writer *writer);

/** Applies one set (bytes as of change_set.h). Returns result->code. @now_ms: wall clock, for expiring
 * `once`.
 */
enum error_code store_write_apply(struct writer *writer, struct slice set, uint64_t now_ms,
                                  struct apply_result *result);

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
