#ifndef WORKER_METHODS_FIND_H
#define WORKER_METHODS_FIND_H

#include "shared/json/json.h"
#include "worker/rpc/transaction.h"

/*
 * The method find: a page of the documents that match. Without `sort` they are gathered as the walk comes to
 * them, with it the first of them are kept in order. Where there are more, the answer has in `after` where
 * this page ended (find_cursor.h), and a find that is given that goes on there.
 *
 * A page ends at `limit` documents, and before one with which it would have more than limits.result_bytes;
 * but its first one is given whatever its size, so that the way leads on.
 */

enum { FIND_LIMIT = 1000, FIND_SKIP = 1000000 };

void find_documents(struct transaction *transaction, struct json_value data);

#endif
