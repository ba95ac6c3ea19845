#ifndef SHARED_STORE_STORE_SCAN_H
#define SHARED_STORE_STORE_SCAN_H

#include <stdbool.h>

#include "shared/base/buffer.h"
#include "shared/store/record.h"
#include "shared/store/store.h"

/**
 * A walk over a collection in byte order of ids that goes on in a later snapshot where it stopped: put the
 * struct in your job, begin a snapshot, store_scan_resume(), step, store_scan_pause(), end the snapshot.
 */
struct store_scan {
    unsigned collection;
    struct buffer position; /* id of the last document given; empty at the start */
    struct buffer to;       /* first id not wanted; empty: no end */
    bool started;
    bool include_position; /* the first step may give ->position itself */
    struct store *store;   /* since it was first resumed */
    void *cursor;          /* while resumed; NULL: there could be none */
};

/** From @from (included; absent: the first) to @to (excluded; absent: the last). */
void store_scan_start(struct store_scan *scan, unsigned collection, struct slice from, struct slice to);
void store_scan_resume(struct store *store, struct store_scan *scan);
[[gnu::warn_unused_result]] enum store_step store_scan_step(struct store_scan *scan, struct slice *id,
                                                            struct store_record *record);
void store_scan_pause(struct store_scan *scan);
void store_scan_free(struct store_scan *scan);

#endif
