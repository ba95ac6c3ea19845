#ifndef WORKER_BASE_COMMITTER_LINK_H
#define WORKER_BASE_COMMITTER_LINK_H

#include <stdbool.h>

#include "shared/ipc/committer_messages.h"
#include "worker/base/worker.h"

/*
 * The worker's end of the stream to the committer (committer_messages.h): sets go out in order, results come
 * back in order. When the committer dies its last results are read to the end; sets without a result wait for
 * the new one's word whether they were committed, and are answered `unavailable` if not: nothing of them is
 * stored. Where that word does not come, those that were given to a committer are answered `timeout`: whether
 * they are stored is not known; those that were not, `unavailable`. Nothing is sent twice.
 */

struct committer_link;

/** Called exactly once for each set given. Its slices are valid during the call. */
typedef void committer_done(void *argument, const struct committer_result *result);

/** Asked before results are read. False: not in this pass. */
typedef bool committer_link_may_read(struct worker *worker);

struct committer_link *committer_link_create(struct worker *worker, committer_link_may_read *may_read);
void committer_link_free(struct committer_link **link);

/** A new stream socket, from the master. Takes the descriptor. */
void committer_link_connect(struct committer_link *link, int fd);

/** The largest set that is ever taken. */
size_t committer_link_set_most(const struct config *config);

/** Gives a set. False: it is larger than that (`too_large`), limits.committer_queue_bytes are waiting
 * (`busy`), or there has been no committer for too long (`unavailable`): @code says which, and
 * committer_link_refusal() what the caller is told. @done is then not called. */
[[gnu::warn_unused_result]] bool committer_link_submit(struct committer_link *link, struct slice set,
                                                       committer_done *done, void *argument,
                                                       enum error_code *code);

/** Whether a set of @bytes would be taken if so many bytes @beside what waits were waiting too. */
[[gnu::warn_unused_result]] bool committer_link_would_take(const struct committer_link *link, size_t bytes,
                                                           size_t beside, enum error_code *code);

const char *committer_link_refusal(enum error_code code);

/** Writes what was submitted in this pass. */
void committer_link_flush(struct committer_link *link);

/** Sets without an answer. */
size_t committer_link_waiting(const struct committer_link *link);

/** Once a second: gives up all sets when there has been no committer for 10 s. */
void committer_link_tick(struct committer_link *link);

#endif
