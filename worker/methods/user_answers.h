#ifndef WORKER_METHODS_USER_ANSWERS_H
#define WORKER_METHODS_USER_ANSWERS_H

#include "worker/authority/user_sets.h"
#include "worker/methods/attempt.h"

/* Answers that the methods of users and groups share. */

/** Answers a call for which one of these was not found (@missing says so) or cannot be read. Frees. */
void user_fail(struct transaction *transaction, enum error_code code, const char *missing);

/** Parentheses mark names that are no users, such as (control). @index: as of transaction_fail_at(). False:
 * answered. */
bool user_name_allowed(struct transaction *transaction, int64_t index, struct slice user);

/** The document of a user whom the caller may manage: an administrator's account is for administrators, since
 * who has modify_options alone could make itself one otherwise; @set, which has been begun, says so, too.
 * False: answered. user_free() in any case. */
[[gnu::warn_unused_result]] bool user_to_manage(struct attempt *attempt, struct buffer *set,
                                                struct user_document *document);

#endif
