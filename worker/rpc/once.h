#ifndef WORKER_RPC_ONCE_H
#define WORKER_RPC_ONCE_H

#include "worker/rpc/transaction.h"

/* What is remembered under the key of `once`: the answer to a call of the same user and method. */

/** Answers with what was remembered for @user. False: nothing is, or the call has no key. Needs a snapshot. */
[[gnu::warn_unused_result]] bool once_answer_again(struct transaction *transaction, struct slice user);

/** Adds to a set that its answer is to be remembered for @user; nothing when the call has no key. */
void once_remember(const struct transaction *transaction, struct slice user, struct buffer *set);

#endif
