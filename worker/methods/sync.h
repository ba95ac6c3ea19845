#ifndef WORKER_METHODS_SYNC_H
#define WORKER_METHODS_SYNC_H

#include "worker/rpc/method.h"

/** dispatcher.sync: {"manifests": {collection: manifest, ...}}. */
void sync_several(struct transaction *transaction, struct json_value data);

#endif
