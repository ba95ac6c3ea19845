#ifndef DAEMON_COMMITTER_STORE_CHANGE_LOG_WRITE_H
#define DAEMON_COMMITTER_STORE_CHANGE_LOG_WRITE_H

#include "shared/store/change_log.h"
#include "shared/store/environment.h"

/* Writing the change log; store_log_next() reads it. All return an error of LMDB. */

/** Appends @entry with a cursor of the log; its ->collection is a place in the configuration. @scratch is
 * used. */
[[gnu::warn_unused_result]] int change_log_append(struct store *store, MDB_cursor *cursor,
                                                  const struct store_log_entry *entry,
                                                  struct buffer *scratch);

/** Removes at most @most of the oldest entries beyond the number that is kept, and moves the horizon. */
[[gnu::warn_unused_result]] int change_log_trim(struct store *store, MDB_txn *txn, struct store_state *state,
                                                uint64_t most);

/** Forgets everything, under a new sequence number: whoever stopped before it has missed something that no
 * entry could say. */
[[gnu::warn_unused_result]] int change_log_restart(struct store *store, MDB_txn *txn,
                                                   struct store_state *state);

#endif
