#ifndef SHARED_STORE_STORE_ONCE_H
#define SHARED_STORE_STORE_ONCE_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/slice.h"
#include "shared/store/keys.h"

struct MDB_txn;
struct store;

/*
 * Answers remembered for `once`. Value: u64 expiry (wall clock ms), u64 seq, the answer. A second database
 * orders them by expiry, so that trimming looks at nothing that stays.
 */
enum { ONCE_HEADER = 16 };

/** Makes the key: what was kept for a former user of the name is not found under it. An error of LMDB. */
[[gnu::warn_unused_result]] int store_once_key(struct MDB_txn *txn, const struct store *store,
                                               struct slice user, struct slice method, struct slice key,
                                               unsigned char out[KEY_ONCE]);

/** 0 and the answer, MDB_NOTFOUND (also when it has expired), or another error. */
[[gnu::warn_unused_result]] int store_once_find(struct store *store, struct MDB_txn *txn, struct slice user,
                                                struct slice method, struct slice key, uint64_t now_ms,
                                                struct slice *answer, uint64_t *seq);

/** The answer remembered under a key, if it has not expired at @now_ms (wall clock). */
bool store_once_get(struct store *store, struct slice user, struct slice method, struct slice key,
                    uint64_t now_ms, struct slice *answer, uint64_t *seq);

#endif
