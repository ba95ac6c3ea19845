#ifndef WORKER_HISTORY_MISSED_CHANGES_H
#define WORKER_HISTORY_MISSED_CHANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/store/change_log.h"
#include "shared/store/read.h"
#include "worker/base/worker.h"

/*
 * The change log as a reader that was away sees it: folded to the newest version of each document. An entry
 * gives the document when it is the newest of its id; an entry that took the document out of somebody's sight
 * gives a removal, also when it is not the newest. So a reader gets less, never another end.
 */

struct missed_change {
    struct store_log_entry entry;
    bool update;         /* the document, as it is now, is in ->minimal */
    bool remove;         /* for those who held it before this entry and do not after it */
    bool unknown;        /* what it is now cannot be read; then not ->update, and ->tag_now is absent */
    uint64_t folded_seq; /* of the newest change for which this entry, or one passed over before it, gave less
                            than it was; 0: none did */
    struct slice minimal;
    struct slice tag_now; /* of the document as it is now; empty: it is gone */
};

enum missed_changes_result {
    MISSED_CHANGES_NEXT,
    MISSED_CHANGES_END,    /* nothing after *seq in this snapshot */
    MISSED_CHANGES_UNKNOWN /* the log no longer reaches back to *seq, or what is next in it cannot be read:
                              what has changed since is not known */
};

/** The next entry after *@seq with something to say; moves *@seq to it (to the snapshot's end with
 * MISSED_CHANGES_END). Looks at no more than *@entries entries and counts them down; at 0 it also says
 * MISSED_CHANGES_NEXT with nothing to say. Needs a snapshot, in which the slices live. */
[[gnu::warn_unused_result]] enum missed_changes_result
missed_changes_next(struct worker *worker, uint64_t *seq, unsigned *entries, struct missed_change *change);

/** Appends the frame of a change with ->update: the document, or of `settings` all that they are now. */
void missed_change_append_update(struct buffer *out, const struct worker *worker,
                                 const struct missed_change *change);

#endif
