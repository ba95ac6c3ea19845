#ifndef WORKER_METHODS_USER_ANSWERS_H
#define WORKER_METHODS_USER_ANSWERS_H

#include "worker/rpc/transaction.h"

/* Answers that the methods of users and groups share. */

/** Answers a call for which one of these was not found (@missing says so) or cannot be read. Frees. */
void user_fail(struct transaction *transaction, enum error_code code, const char *missing);

/** Parentheses mark names that are no users, such as (control). False: answered. */
bool user_name_allowed(struct transaction *transaction, struct slice user);

#endif
