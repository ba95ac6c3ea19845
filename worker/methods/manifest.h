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
    size_t count; /* of those that were read so far */
    size_t room;  /* for so many entries */
    struct buffer memory, scratch;
    /* While it is read: the text of the object, and the member that comes next. */
    struct slice object;
    struct json_iterator each;
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

/** Begins to read `{id: version}`, which must be there until all is read; the ids are in the order in which
 * they came. False: the call has been answered with `invalid`; free it all the same. */
[[gnu::warn_unused_result]] bool manifest_read(struct transaction *transaction, struct json_value value,
                                               struct manifest *manifest);

enum manifest_read { MANIFEST_MORE, MANIFEST_READ, MANIFEST_REFUSED /* answered with `invalid` */ };

/** Goes on with that, until so many units of work have been used in all. */
[[gnu::warn_unused_result]] enum manifest_read manifest_read_some(struct transaction *transaction,
                                                                  struct manifest *manifest, uint64_t most);

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
