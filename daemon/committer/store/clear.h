#ifndef DAEMON_COMMITTER_STORE_CLEAR_H
#define DAEMON_COMMITTER_STORE_CLEAR_H

#include "daemon/committer/store/change_set_apply.h"
#include "shared/store/change_set.h"

/*
 * CHANGE_CLEAR: removing what is stored of a collection that is configured no more, piece by piece. Each
 * set removes one piece, in the transaction that it is applied in, and says whether there is more: first
 * the indexes, then the documents, each database dropped when it is empty. So it may be broken off
 * anywhere, and is simply gone on with.
 *
 * What stays is in meta: the collection's number, which entries of the change log name, and where its
 * versions begin, above all that are removed here. Its declaration becomes one that no configuration makes:
 * a collection of that name that is configured again is new to its clients, who then sync (rebuild.h),
 * since no removal is in the log.
 */

struct writer;

/** Applies @change, the only one of its set. ERROR_CONFLICT: that collection is configured; ERROR_NOT_FOUND:
 * nothing is stored of it. Otherwise result->answer is {"removed":N,"more":true or false}, N documents. */
enum error_code clear_apply(struct writer *writer, const struct change *change, struct apply_result *result);

/** The transaction was committed. */
void clear_end(struct writer *writer);

#endif
