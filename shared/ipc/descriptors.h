#ifndef SHARED_IPC_DESCRIPTORS_H
#define SHARED_IPC_DESCRIPTORS_H

#include <stdint.h>

/* What a process may still open. */

/* So many that a worker has beside its clients' are there for sessions of the control socket. */
enum { DESCRIPTORS_FOR_CONTROL = 4 };

/** Descriptors that this process may have: RLIMIT_NOFILE. */
uint32_t descriptors_limit(void);

/** How many connections of clients this process has room for beside what it has open now and what it may
 * need later (links, sessions of the control socket, a log that is opened again); at least 1. */
uint32_t descriptors_room(void);

#endif
