#ifndef WORKER_RPC_ACCESS_H
#define WORKER_RPC_ACCESS_H

#include "worker/rpc/method.h"

/* Who may call what: the one place that decides on it. */

/** Whether there is such a method for @account (NULL: nobody has logged in), whatever its permissions.
 * @collection NULL: dispatcher. */
[[nodiscard]] bool access_exposes(const struct account *account, const struct config_collection *collection,
                                  const struct method *method);

/** Adds to @needed the permissions that a call takes. */
void access_need(const struct config_collection *collection, const struct method *method,
                 struct permission_set *needed);

/** Whether a call would be let through. */
[[nodiscard]] bool access_allows(const struct account *account, const struct config_collection *collection,
                                 const struct method *method);

/** Looks anew, for every call, whether who calls may: with ->needed noted for the committer, which asks again.
 * False: the transaction has been answered, `unauthorized` or `forbidden`. */
[[gnu::warn_unused_result]] bool access_check(struct transaction *transaction);

#endif
