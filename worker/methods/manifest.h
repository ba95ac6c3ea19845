#ifndef WORKER_METHODS_MANIFEST_H
#define WORKER_METHODS_MANIFEST_H

#include "shared/json/json.h"
#include "worker/rpc/transaction.h"

/* What a client says it holds of one collection: {id: version, ...}, in the byte order of the ids. */

struct manifest_entry {
    struct slice id; /* in the manifest's own memory */
    int64_t version;
};

struct manifest {
    const struct config_collection *collection;
    struct manifest_entry *entries;
    size_t count;
    struct buffer memory;
    bool outside;  /* some id is not in the range */
    size_t sorted; /* so many in front are in order */
    /* While it is sorted: runs of ->width entries are merged two by two into ->spare. */
    size_t width;
    size_t run;    /* where the two begin that are being merged */
    size_t left;   /* what comes next of the first of them */
    size_t merged; /* in all */
    struct manifest_entry *spare;
    struct slice from, to; /* the range it speaks of; absent: open; in ->memory's neighbour ->bounds */
    struct buffer bounds;
};

/** Reads `{id: version}`, as a step of its own: it costs less than it did to parse. The ids are in the order
 * in which they came. False: the call has been answered with `invalid`; free it all the same. */
[[gnu::warn_unused_result]] bool manifest_read(struct transaction *transaction, struct json_value value,
                                               struct manifest *manifest);

/** Puts the ids in order, until so many units of work have been used in all. False: there is more to do. */
[[gnu::warn_unused_result]] bool manifest_sort(struct manifest *manifest, struct work *work, uint64_t most);

/** Reads `from` and `to` (each absent or null: open). Call it before manifest_read(). */
[[gnu::warn_unused_result]] bool manifest_read_range(struct transaction *transaction, struct json_value from,
                                                     struct json_value to, struct manifest *manifest);

/** Whether all ids lie in the range. */
bool manifest_in_range(const struct manifest *manifest);

/** Memory that it takes. */
size_t manifest_bytes(const struct manifest *manifest);

void manifest_free(struct manifest *manifest);

#endif
