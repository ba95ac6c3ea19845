#ifndef WORKER_HISTORY_RIGHTS_DIFFERENCE_H
#define WORKER_HISTORY_RIGHTS_DIFFERENCE_H

#include "shared/store/store_scan.h"
#include "worker/base/worker.h"
#include "worker/history/sync_batch.h"
#include "worker/output/viewer.h"

/*
 * What a copy gains and loses when rights change. The copy is of what was there after change @seq, as one or
 * the other of the former rights let it be (which of them is not known for each document when the bringing in
 * line was itself interrupted by another change of rights). Documents that changed later are left to the
 * changes themselves: who sends those next sends the newest version to whoever may see it now.
 */

enum { FORMERS_MOST = 16 };

/* Rights that were had for a while. */
struct former {
    struct viewer *viewer; /* a reference */
    uint64_t from, to; /* they came after change @from; of documents that got their tag after @to nothing was
                          sent with them (UINT64_MAX: of any something may have been) */
};

struct rights_difference {
    struct viewer *now; /* what may be held now; a reference */
    struct former formers[FORMERS_MOST];
    size_t former_count;
    uint64_t seq;
    unsigned collection; /* being walked */
    struct store_scan scan;
    bool scanning;
    /* The subscription to these changed meanwhile: the client must sync them. */
    bool skipped[COLLECTION_LIMIT];
};

/** Takes over a reference to @now. No former rights yet. */
void rights_difference_open(struct rights_difference *difference, struct viewer *now, uint64_t seq);
void rights_difference_close(struct rights_difference *difference, struct viewer_table *viewers);

/** These rights were had, too; takes over the reference. Times that meet, or end together, are one. False:
 * there are too many. */
[[gnu::warn_unused_result]] bool rights_difference_add(struct rights_difference *difference,
                                                       struct viewer_table *viewers, struct former former);

/** The rights have changed again: takes over a reference to @now; the walk starts over. */
void rights_difference_turn(struct rights_difference *difference, struct viewer_table *viewers,
                            struct viewer *now);

/** Only the subscription has changed: takes over a reference to @now. Of a collection that was left out
 * nothing is taken away, and of one that was added nothing is held; the walk goes on. */
void rights_difference_subscribed(struct rights_difference *difference, struct viewer_table *viewers,
                                  struct viewer *now, unsigned collection_count);

/** Whether former rights let a document be held that had this tag from change @tag_seq to change @until. */
bool rights_difference_held(const struct rights_difference *difference, unsigned collection, struct slice tag,
                            uint64_t tag_seq, uint64_t until);

/**
 * Walks on over the documents until the worker has used @most units of work, and puts what is gained and lost
 * into @batch until it holds @bytes_most. Needs a snapshot, and leaves no cursor in it. STORE_STEP: there may
 * be more.
 */
[[gnu::warn_unused_result]] enum store_step rights_difference_walk(struct worker *worker,
                                                                   struct rights_difference *difference,
                                                                   uint64_t most, struct sync_batch *batch,
                                                                   size_t bytes_most);

#endif
