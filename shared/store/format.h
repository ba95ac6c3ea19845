#ifndef SHARED_STORE_FORMAT_H
#define SHARED_STORE_FORMAT_H

#include "shared/store/environment.h"

/* The number of the store's format, in meta "format". */

enum { STORE_FORMAT = 3 };

/** *@format: the stored one; 0: it is damaged. An error of LMDB; MDB_NOTFOUND: the store is new. */
[[gnu::warn_unused_result]] int format_read(struct store *store, MDB_txn *txn, uint32_t *format);

/** Whether it is the one that this program reads and writes. False: @message says what it is. */
[[gnu::warn_unused_result]] bool format_is_known(const struct store *store, uint32_t format,
                                                 char message[STORE_MESSAGE]);

#endif
