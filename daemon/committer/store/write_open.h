#ifndef DAEMON_COMMITTER_STORE_WRITE_OPEN_H
#define DAEMON_COMMITTER_STORE_WRITE_OPEN_H

#include "shared/store/store.h"

/* Opening the store for writing: the committer alone does. */

/** The one that writes the store, with the store as it reads it itself (store_write_reader()). */
struct writer;

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

/**
 * Opens the store as a part of @run (NULL: none begins), which begins before what the opening itself changes.
 * Makes the store when it is missing and the databases of new collections, refuses a newer format, brings an
 * older one up to date (which ends the history of what clients hold), and rebuilds collections whose
 * declaration has changed (projector, sync filter, indexes, rights; documents that clients see in another way
 * by that get a new version). NULL: @message is one clear line (not writable, newer format, a unique field
 * with duplicates, not the store on which the run that goes on began...).
 */
[[gnu::warn_unused_result]] struct writer *
store_write_open(const struct config *config, const struct store_run *run, char message[STORE_MESSAGE]);

/** Aborts the transaction that is open, and closes the store. */
void store_write_close(struct writer **writer);

#endif
