#ifndef WORKER_METHODS_MANIFEST_DIFFERENCE_H
#define WORKER_METHODS_MANIFEST_DIFFERENCE_H

#include "shared/store/store_scan.h"
#include "worker/history/sync_batch.h"
#include "worker/methods/manifest.h"
#include "worker/output/viewer.h"

/*
 * Compares a manifest with what a viewer may hold now: both in byte order of ids, side by side, so one pass
 * and no table. It goes on in a later snapshot where it stopped.
 *
 * A listed document of the version that is there is not sent, if the manifest is of this store's history
 * (client_position.h), in which an id and a version stand for one content; otherwise everything is sent.
 */
struct manifest_difference {
    const struct manifest *manifest;
    struct store_scan scan;
    bool same_history; /* versions listed are versions of this store's documents */
    size_t at;         /* first entry of the manifest not compared yet */
    uint64_t count;    /* operations found so far */
    bool scan_ended;
};

void manifest_difference_start(struct manifest_difference *walk, const struct manifest *manifest,
                               bool same_history);

/**
 * Compares on until @most units of work have been used in all, and with @batch (NULL: just count) puts what
 * differs there until it holds @bytes_most. Needs a snapshot, and leaves no cursor in it. STORE_STEP:
 * there may be more to compare.
 */
[[gnu::warn_unused_result]] enum store_step
manifest_difference_step(struct worker *worker, struct manifest_difference *walk, const struct viewer *viewer,
                         uint64_t most, struct sync_batch *batch, size_t bytes_most);

void manifest_difference_free(struct manifest_difference *walk);

#endif
