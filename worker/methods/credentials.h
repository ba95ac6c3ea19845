#ifndef WORKER_METHODS_CREDENTIALS_H
#define WORKER_METHODS_CREDENTIALS_H

#include "shared/buffer.h"
#include "worker/rpc/transaction.h"

/* What all calls share that try a password: the throttle, and the stored hash. */

/** True: too many have failed, for this user or from this address; the call has been answered. */
[[gnu::warn_unused_result]] bool credentials_throttled(struct transaction *transaction, struct slice user);

/** Counts a wrong password. */
void credentials_failed(struct session *session, struct slice user);

/** The stored hash of a user's password, and the version of the document that holds it; absent when there is
 * no such user. Points into @hash. Needs a snapshot. */
struct slice credentials_read(struct worker *worker, struct slice user, struct buffer *hash,
                              uint64_t *version);

/** Appends the document of a new password, or the new hash of an old one. */
void credentials_append(struct buffer *body, struct slice hash);

/** Overwrites the characters of strings that a call's passwords may be among. */
void credentials_forget(struct worker *worker);

#endif
