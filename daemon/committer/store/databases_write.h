#ifndef DAEMON_COMMITTER_STORE_DATABASES_WRITE_H
#define DAEMON_COMMITTER_STORE_DATABASES_WRITE_H

#include "daemon/committer/store/write_open.h"
#include "shared/store/environment.h"

/** Makes and checks what is stored about format, @run (NULL: none) and collections, rebuilds what must be,
 * opens all databases. False: @message says why. */
[[gnu::warn_unused_result]] bool databases_prepare(struct store *store, const struct store_run *run,
                                                   char message[STORE_MESSAGE]);

/** Stores number and declaration of a collection. */
[[gnu::warn_unused_result]] int databases_record_collection(struct store *store, MDB_txn *txn,
                                                            struct store_collection *collection);

/** The declaration that is stored of @collection; absent: none. */
[[gnu::warn_unused_result]] struct slice databases_declaration(struct store *store, MDB_txn *txn,
                                                               struct store_collection *collection);

#endif
