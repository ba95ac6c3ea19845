#ifndef SHARED_STORE_UNREADABLE_H
#define SHARED_STORE_UNREADABLE_H

#include <stdint.h>

#include "shared/base/error_code.h"
#include "shared/base/slice.h"

/* What is said in the log when something stored cannot be read. Callers may ask for the same thing again and
 * again: each is named once a minute. */

struct store;

enum { UNREADABLE_KEPT = 16, UNREADABLE_EVERY_MS = 60 * 1000 };

/** What was named last, in a ring. Zeroed to begin with. */
struct unreadable {
    struct {
        uint64_t hash; /* of the words */
        uint64_t said_ms;
    } said[UNREADABLE_KEPT];
    unsigned next;
};

/** Logs that what the words name cannot be read: for the error @rc of LMDB, or (0) because it is damaged.
 *  Returns ERROR_INTERNAL. */
[[gnu::format(printf, 3, 4)]] enum error_code store_unreadable(struct store *store, int rc,
                                                               const char *format, ...);

enum error_code store_unreadable_document(struct store *store, int rc, unsigned collection, struct slice id);

#endif
