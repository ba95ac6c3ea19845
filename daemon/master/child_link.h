#ifndef DAEMON_MASTER_CHILD_LINK_H
#define DAEMON_MASTER_CHILD_LINK_H

#include "daemon/master/child.h"

/** Gives @worker and @server, the committer or the watcher, the ends of a stream between them, if the server
 * is ready and the worker runs and has none. Who takes no orders, or can be given no stream, is killed. */
void child_link(struct child *worker, struct child *server);

/** A worker's link to a server in that role is no more: child_link() makes another. */
void child_link_forget(struct child *worker, enum child_role server);

#endif
