#ifndef WORKER_METHODS_CREDENTIALS_H
#define WORKER_METHODS_CREDENTIALS_H

#include "shared/base/buffer.h"
#include "worker/rpc/transaction.h"
#include "worker/session/session.h"

/* What all calls share that try a password: the throttle, and the stored hash. */

/** Where a password comes from: what failures are counted for beside the user. Kept with the call, so that
 * who hangs up before the answer is counted as well. */
struct login_source {
    char key[1 + CONNECTION_NETWORK];
};

struct login_source credentials_source(const struct session *session);

/**
 * True: too many have failed, for this user or from this source; the call has been answered. To be asked
 * before a password is checked, and again before anything is made of the result: otherwise as many guesses as
 * fit into the queue would be free.
 */
[[gnu::warn_unused_result]] bool credentials_throttled(struct transaction *transaction, struct slice user,
                                                       const struct login_source *source);

/** Counts a wrong password. */
void credentials_failed(struct worker *worker, struct slice user, const struct login_source *source);

/** The stored hash of a user's password, and the version of the document that holds it; absent when there is
 * no such user, or it cannot be read. Points into @hash. Needs a snapshot. */
struct slice credentials_read(struct worker *worker, struct slice user, struct buffer *hash,
                              uint64_t *version);

/** Appends the document of a new password, or the new hash of an old one. */
void credentials_append(struct buffer *body, struct slice hash);

#endif
