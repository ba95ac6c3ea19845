#ifndef WORKER_SESSION_DIRECTORY_MESSAGES_H
#define WORKER_SESSION_DIRECTORY_MESSAGES_H

#include "worker/intake/directory.h"

/**
 * Makes the messages that tell a client what has changed in a directory after change @from, in ->made.frames,
 * and returns up to where they go: not necessarily to the end. listening.c sends them. They are made once for
 * all who ask the same one after the other. @began: the last change when this client began to be told, from 0.
 * @sync: they have "sync":true.
 */
uint64_t directory_messages_make(struct directory *directory, uint64_t from, uint64_t began, bool sync);

#endif
