#include "shared/store/unreadable.h"

#include <stdarg.h>
#include <stdio.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/slice.h"
#include "shared/store/environment.h"

enum { SUBJECT_BYTES = 512 };

/* Whether it was said within the last minute; if not, it counts as said now. */
static bool said_lately(struct unreadable *unreadable, uint64_t hash)
{
    uint64_t now_ms = clock_monotonic_ms();
    for (unsigned i = 0; i < UNREADABLE_KEPT; i++)
        if (unreadable->said[i].hash == hash) {
            if (now_ms - unreadable->said[i].said_ms < UNREADABLE_EVERY_MS)
                return true;
            unreadable->said[i].said_ms = now_ms;
            return false;
        }
    unreadable->said[unreadable->next].hash = hash;
    unreadable->said[unreadable->next].said_ms = now_ms;
    unreadable->next = (unreadable->next + 1) % UNREADABLE_KEPT;
    return false;
}

enum error_code store_unreadable(struct store *store, int rc, const char *format, ...)
{
    char subject[SUBJECT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(subject, sizeof subject, format, arguments);
    va_end(arguments);
    if (!said_lately(&store->unreadable, slice_hash(slice_text(subject))))
        log_error("store: %s cannot be read: %s", subject, rc ? mdb_strerror(rc) : "it is damaged");
    return ERROR_INTERNAL;
}

enum error_code store_unreadable_document(struct store *store, int rc, unsigned collection, struct slice id)
{
    return store_unreadable(store, rc, "document %.*s of %s", (int)id.length, id.data,
                            store->collections[collection].config->name);
}
