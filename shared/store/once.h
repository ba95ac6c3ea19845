#ifndef SHARED_STORE_ONCE_H
#define SHARED_STORE_ONCE_H

#include "shared/store/environment.h"

/*
 * Answers remembered for `once`. Value: u64 expiry (wall clock ms), u64 seq, the answer. A second database
 * orders them by expiry, so that trimming looks at nothing that stays.
 */

/** 0 and the answer, MDB_NOTFOUND (also when it has expired), or another error. */
[[gnu::warn_unused_result]] int once_get(struct store *store, MDB_txn *txn, struct slice user,
                                         struct slice method, struct slice key, uint64_t now_ms,
                                         struct slice *answer, uint64_t *seq);

[[gnu::warn_unused_result]] int once_put(struct store *store, MDB_txn *txn, struct slice user,
                                         struct slice method, struct slice key, uint64_t expires_ms,
                                         struct slice answer, uint64_t seq);

/** Removes at most @most answers that have expired. */
[[gnu::warn_unused_result]] int once_trim(struct store *store, MDB_txn *txn, uint64_t now_ms, unsigned most);

#endif
