#ifndef WORKER_JOBS_SYNC_WALK_H
#define WORKER_JOBS_SYNC_WALK_H

#include "worker/dispatch/sync_batch.h"
#include "worker/dispatch/viewer.h"
#include "worker/jobs/manifest.h"

/*
 * Compares a manifest with what a viewer may hold now: both in byte order of ids, side by side, so one pass
 * and no table. It goes on in a later snapshot where it stopped.
 *
 * A listed document that was removed and inserted again (->reinserted) is sent whatever version is listed.
 * What this does not reach: a client that was away for longer than the change log goes back may list a
 * document whose removal was already forgotten when the id was inserted again, and with the same version
 * keeps the old one.
 *
 * A document whose minimal document was made anew for another declaration (->remade) is sent, too, unless the
 * manifest is of the present epoch, which is newer.
 */
struct sync_walk {
    const struct manifest *manifest;
    struct store_scan scan;
    bool present_epoch; /* the manifest's is the store's: all that is listed was had in it */
    size_t at;          /* first entry of the manifest not compared yet */
    uint64_t count;     /* operations found so far */
    bool scan_ended;
};

void sync_walk_start(struct sync_walk *walk, const struct manifest *manifest);

/**
 * Compares on, looking at no more than @*documents documents (counted down), and with @batch (NULL: just
 * count) puts what differs there until it holds @bytes_most. Needs a snapshot, and leaves no cursor in it.
 * True: it has come to the end.
 */
[[gnu::warn_unused_result]] bool sync_walk_step(struct worker *worker, struct sync_walk *walk,
                                                const struct viewer *viewer, unsigned *documents,
                                                struct sync_batch *batch, size_t bytes_most);

void sync_walk_free(struct sync_walk *walk);

#endif
