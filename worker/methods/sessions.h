#ifndef WORKER_METHODS_SESSIONS_H
#define WORKER_METHODS_SESSIONS_H

#include "worker/rpc/method.h"

/** users.sessions: {user_id?}. */
void list_sessions(struct transaction *transaction, struct json_value data);

/** users.remove_session: {id}. */
void remove_session(struct transaction *transaction, struct json_value data);

#endif
