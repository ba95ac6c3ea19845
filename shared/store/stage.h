#ifndef SHARED_STORE_STAGE_H
#define SHARED_STORE_STAGE_H

#include "shared/store/write.h"

/* An operation on its way: the document it speaks of, as it is now for this set. */
struct work {
    struct store *store;
    struct writer *writer;
    const struct change *change;
    const struct store_collection *collection;
    unsigned number; /* its place in the configuration */
    bool there;
    bool old_parsed, next_parsed;
    struct store_record current;
    char *message;
};

/** Writes the message for the client; returns @code. */
[[gnu::format(printf, 3, 4)]] enum error_code stage_refuse(struct work *work, enum error_code code,
                                                           const char *format, ...);

/** LMDB failed with @rc: the transaction is spoilt. */
enum error_code stage_failed(struct work *work, const char *what, int rc);

/** Parses the document that is there into ->old, once. */
enum error_code stage_need_old(struct work *work);

/** stage_index.c: stages how the indexes change, and checks that unique values are. @next: the new document;
 * absent when it is removed. */
enum error_code stage_indexes(struct work *work, struct staged *staged, struct json_value next);

#endif
