#ifndef WORKER_METHODS_PROJECTION_H
#define WORKER_METHODS_PROJECTION_H

#include "shared/json/json.h"
#include "worker/rpc/transaction.h"

/* The `fields` of find: which members of each document are wanted, beside _id and _version. */

enum { PROJECTION_FIELDS = 100 };

struct projection {
    struct slice *fields; /* each allocated; sorted by length, then bytes; none: the whole document */
    size_t count;
    struct buffer scratch;
};

/** Reads `fields` (absent or null: all). False: answered with `invalid`; free it all the same. */
[[gnu::warn_unused_result]] bool projection_read(struct transaction *transaction, struct json_value fields,
                                                 struct projection *projection);

/** Appends what is wanted of @full; @document is the same, parsed (looked at only when fields are named).
 * Returns the units of work that it was. */
uint64_t projection_append(struct buffer *out, struct projection *projection, struct json_value document,
                           struct slice full);

void projection_free(struct projection *projection);

#endif
