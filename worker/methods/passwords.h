#ifndef WORKER_METHODS_PASSWORDS_H
#define WORKER_METHODS_PASSWORDS_H

#include "shared/json/json.h"
#include "worker/methods/attempt.h"

/** Makes the hash of @password in a thread, puts it into the attempt's ->hash and runs it. */
void password_then_run(struct attempt *attempt, struct slice password);

/** Reads a new password of a call. False: answered. */
[[gnu::warn_unused_result]] bool password_read(struct transaction *transaction, struct json_value data,
                                               const char *key, struct slice *password);

#endif
