#ifndef WORKER_RPC_CALL_H
#define WORKER_RPC_CALL_H

#include "shared/slice.h"
#include "worker/session.h"

/** Handles one message of a session: from its text to the method that runs it, with every check on the way.
 */
void call_handle(struct session *session, struct slice message);

#endif
