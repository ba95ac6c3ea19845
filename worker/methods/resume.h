#ifndef WORKER_METHODS_RESUME_H
#define WORKER_METHODS_RESUME_H

#include "worker/rpc/method.h"

/** dispatcher.resume: {"epoch": E, "seq": N}. */
void resume(struct transaction *transaction, struct json_value data);

#endif
