#ifndef WORKER_HISTORY_SYNC_BATCH_H
#define WORKER_HISTORY_SYNC_BATCH_H

#include "shared/base/buffer.h"
#include "shared/config/config.h"
#include "worker/output/backlog.h"

/*
 * Puts documents and removals that follow each other into as few messages with "sync":true as their order and
 * a handy size allow.
 */
struct sync_batch {
    struct buffer frames;                       /* complete ones */
    struct buffer list;                         /* of the message being made: what stands between [ and ] */
    const struct config_collection *collection; /* NULL: none is being made */
    enum backlog_kind kind;
};

void sync_batch_update(struct sync_batch *batch, const struct config_collection *collection,
                       struct slice document);
void sync_batch_remove(struct sync_batch *batch, const struct config_collection *collection, struct slice id);

/** Bytes made so far. */
size_t sync_batch_bytes(const struct sync_batch *batch);

/** Completes the last message; all frames are then in ->frames (clear it once they are queued). */
void sync_batch_finish(struct sync_batch *batch);

void sync_batch_free(struct sync_batch *batch);

#endif
