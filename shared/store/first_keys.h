#ifndef SHARED_STORE_FIRST_KEYS_H
#define SHARED_STORE_FIRST_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/slice.h"

/*
 * What a search in an index has found out about documents with several keys there: which of the keys is the
 * first within its ranges. It saves parsing a document anew at each of its keys. Memory is bounded: of many
 * documents some are forgotten. Only hashes are kept, keyed with a random number.
 */

enum { FIRST_KEYS_MOST = 16384 }; /* slots */

struct first_key;

/** All zero is empty; first_keys_free() at the end. */
struct first_keys {
    struct first_key *slots;
    size_t count, capacity;
    unsigned refused;
    unsigned char secret[16];
};

/** Whether the first key of version @version of the document @id is known; *@same: it is @key. */
[[gnu::warn_unused_result]] bool first_keys_find(const struct first_keys *keys, struct slice id,
                                                 uint64_t version, struct slice key, bool *same);

/** Remembers that it is @key. */
void first_keys_add(struct first_keys *keys, struct slice id, uint64_t version, struct slice key);

void first_keys_free(struct first_keys *keys);

#endif
