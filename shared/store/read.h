#ifndef SHARED_STORE_READ_H
#define SHARED_STORE_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/error_code.h"
#include "shared/json/json.h"
#include "shared/store/record.h"
#include "shared/store/store.h"

/* Reading: one short snapshot at a time. */

/** Takes a snapshot of what is committed now; what is read through it is valid until store_end(). A second
 * call without store_end() between is a broken invariant. */
[[gnu::warn_unused_result]] enum error_code store_begin(struct store *store);
void store_end(struct store *store);

/** Sequence number of the last change in the snapshot; and of the newest change no longer in the change log
 *  (0: the log is whole). */
uint64_t store_seq(struct store *store);
uint64_t store_log_horizon(struct store *store);

/** Sequence number of the last change of a user, a group or a session in the snapshot. */
uint64_t store_rights_seq(struct store *store);

/** The present run of the server on this store: random, 1 to 2^53 - 1; 0 before the first one. As of the last
 * store_begin(). */
uint64_t store_epoch(struct store *store);

/** ERROR_NOT_FOUND when there is none (also for ids that cannot be: empty, too long). ERROR_INTERNAL when it
 * cannot be read: it may be there. */
[[gnu::warn_unused_result]] enum error_code store_get(struct store *store, unsigned collection,
                                                      struct slice id, struct store_record *out);

/** Parses the full text of a document that was read, in ->full. False: it is damaged, which the log says. */
[[gnu::warn_unused_result]] bool store_record_parse(struct store *store, unsigned collection, struct slice id,
                                                    const struct store_record *record, struct json *out);

/** *@count: documents of a collection, in all (not only those in the sync set). */
[[gnu::warn_unused_result]] enum error_code store_count(struct store *store, unsigned collection,
                                                        uint64_t *count);

#endif
