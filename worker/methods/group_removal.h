#ifndef WORKER_METHODS_GROUP_REMOVAL_H
#define WORKER_METHODS_GROUP_REMOVAL_H

#include "worker/rpc/method.h"

/** groups.remove_group: {_id}. */
void remove_group(struct transaction *transaction, struct json_value data);

#endif
