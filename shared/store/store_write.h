#ifndef SHARED_STORE_STORE_WRITE_H
#define SHARED_STORE_STORE_WRITE_H

#include "shared/store/change_set.h"
#include "shared/store/store.h"

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

/** A run of the server, from one start of its master to the end: see store_history_holds(). */
struct store_run {
    uint64_t epoch;   /* random_epoch() */
    bool new_history; /* nothing that was seen before it counts any more */
    bool goes_on;     /* it began on this store already, which has come to ->seq at least */
    uint64_t seq;
    /* Called after each piece of what opening may take long for, such as the rebuild of a collection, each
     * one transaction. False: leave it, another opening goes on from there. NULL: nobody asks. */
    bool (*may_go_on)(void *argument);
    void *argument;
};

/** store_open() with STORE_WRITE, as a part of @run: it begins before what the opening itself changes. NULL,
 * too, when the store is not the one on which the run that goes on began. */
[[gnu::warn_unused_result]] struct store *
store_open_run(const struct config *config, const struct store_run *run, char message[STORE_MESSAGE]);

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

[[gnu::warn_unused_result]] enum error_code store_write_begin(struct store *store);

/** Applies one set (bytes as of change_set.h). Returns result->code. @now_ms: wall clock, for expiring
 * `once`. */
enum error_code store_write_apply(struct store *store, struct slice set, uint64_t now_ms,
                                  struct apply_result *result);

/** Puts @bytes under meta "results/@slot" in this transaction: what the committer would have answered. */
[[gnu::warn_unused_result]] enum error_code store_write_results(struct store *store, unsigned slot,
                                                                struct slice bytes);

/** Trims the change log and expired `once` answers, commits (and syncs, with durability full). */
[[gnu::warn_unused_result]] enum error_code store_write_commit(struct store *store);
void store_write_abort(struct store *store);

/** Units of work (set_work.h) that were charged in the transaction that is or was open last. */
uint64_t store_write_work(const struct store *store);

/** The changes of the last committed transaction, in order. */
const struct applied_change *store_write_changes(struct store *store, size_t *count);

/** Last committed sequence number. */
uint64_t store_write_seq(struct store *store);

/** The bytes of the last store_write_results() for @slot that was committed; appended to @out. */
void store_read_results(struct store *store, unsigned slot, struct buffer *out);

/** With durability relaxed: sync now (called every second or so, and before stopping). */
[[gnu::warn_unused_result]] enum error_code store_sync(struct store *store);

#endif
