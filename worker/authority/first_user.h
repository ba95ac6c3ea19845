#ifndef WORKER_AUTHORITY_FIRST_USER_H
#define WORKER_AUTHORITY_FIRST_USER_H

#include "worker/worker.h"

/** While there is no user at all, nobody can log in: a line in the log says how to make the first one. */
void first_user_say(struct worker *worker);

#endif
