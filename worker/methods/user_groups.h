#ifndef WORKER_METHODS_USER_GROUPS_H
#define WORKER_METHODS_USER_GROUPS_H

#include "worker/rpc/method.h"

enum { USER_GROUPS_MOST = 256 }; /* groups of one user */

/** users.set_group: {user_id, group_id, member?}. */
void set_group(struct transaction *transaction, struct json_value data);

/** users.set_primary_group: {_id, group_id}. */
void set_primary_group(struct transaction *transaction, struct json_value data);

#endif
