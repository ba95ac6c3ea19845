#ifndef WORKER_METHODS_PASSWORDS_H
#define WORKER_METHODS_PASSWORDS_H

#include "worker/authority/user_sets.h"
#include "worker/methods/attempt.h"
#include "worker/rpc/method.h"

/** users.change_password: {_id, old_password, new_password}. */
void change_password(struct transaction *transaction, struct json_value data);

/** users.set_password: {_id, new_password}. */
void set_password(struct transaction *transaction, struct json_value data);

/** users.set_force_reset: {_id, force_reset}. */
void set_force_reset(struct transaction *transaction, struct json_value data);

/** Makes the hash of @password in a thread, puts it into the attempt's ->hash and runs it. */
void password_then_run(struct attempt *attempt, struct slice password);

/** Reads a new password of a call. False: answered. */
[[gnu::warn_unused_result]] bool password_read(struct transaction *transaction, struct json_value data,
                                               const char *key, struct slice *password);

/** The document of a user whom the caller may manage: an administrator's account is for administrators, since
 * who has modify_options alone could make itself one otherwise; @set, which has been begun, says so, too.
 * False: answered. user_free() in any case. */
[[gnu::warn_unused_result]] bool user_to_manage(struct attempt *attempt, struct buffer *set,
                                                struct user_document *document);

#endif
