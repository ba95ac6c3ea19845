#ifndef SHARED_STORE_CHANGE_LOG_H
#define SHARED_STORE_CHANGE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/slice.h"
#include "shared/store/store.h"

/*
 * The change log: u64 seq, big-endian -> the change. An entry: u8 removed, u16 number of the collection, u64
 * version, u64 seq before, u16 each length of id, tag before, tag after; these three; what is left is the
 * document before.
 */
enum { LOG_SEQ_BYTES = 8, LOG_ENTRY_LENGTHS = 1 + 2 + 8 + 8, LOG_ENTRY_HEADER = LOG_ENTRY_LENGTHS + 3 * 2 };

struct store_log_entry {
    uint64_t seq;
    unsigned
        collection; /* index in this configuration; UINT_MAX: a collection that is not declared any more */
    bool removed;
    uint64_t version;
    uint64_t tag_seq_before; /* of the change that gave the document before its tag; 0: it was not there */
    struct slice id;
    struct slice tag_before, tag_after; /* empty: not there */
    struct slice before; /* in `users` and `groups`: the document before, JSON; absent: it was not there */
};

/** The first entry after @seq. Entries of ids that changed again later are given too: an entry is the newest
 * of its document when store_get() gives a record with the same ->seq (or nothing, when removed). */
[[gnu::warn_unused_result]] enum store_step store_log_next(struct store *store, uint64_t seq,
                                                           struct store_log_entry *out);

#endif
