#ifndef WORKER_AUTHORITY_LOOKUP_H
#define WORKER_AUTHORITY_LOOKUP_H

#include "shared/json/json.h"
#include "worker/base/worker.h"

/** One document that was found; valid during the call. False: no more are wanted. */
typedef bool lookup_found(void *argument, struct slice id, struct json_value document, uint64_t version);

/**
 * Calls @found for every document of a built-in collection whose @field (a name without dots, which must be
 * an index) is @value, or has it as an element. Needs a snapshot, and leaves no cursor in it. Who calls it
 * knows a bound for how many there can be, or stops. False: one of them cannot be read; there may be more
 * than were found.
 */
[[gnu::warn_unused_result]] bool lookup(struct worker *worker, unsigned collection, const char *field,
                                        struct slice value, lookup_found *found, void *argument);

#endif
