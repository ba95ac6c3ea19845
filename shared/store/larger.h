#ifndef SHARED_STORE_LARGER_H
#define SHARED_STORE_LARGER_H

#include "shared/base/buffer.h"
#include "shared/store/store.h"

/**
 * Counts the documents of a collection that have more than so many bytes, in steps, each in a snapshot of its own.
 * Of most entries nothing is looked at but how long they are, which stands beside their key; and where all that the
 * collection has on pages of its own is less than one such document, nothing at all is.
 */
struct store_larger {
    unsigned collection;
    uint64_t bytes;
    uint64_t count;         /* found so far */
    struct buffer position; /* id of the last document looked at; empty at the start */
};

void store_larger_start(struct store_larger *larger, unsigned collection, uint64_t bytes);

/** A step. *@units, of about 25 ns: how many it may take, and then how many it took. */
[[gnu::warn_unused_result]] enum store_step store_larger_some(struct store *store,
                                                              struct store_larger *larger, uint64_t *units);
void store_larger_free(struct store_larger *larger);

#endif
