#ifndef DAEMON_WATCHER_WATCHED_EVENTS_H
#define DAEMON_WATCHER_WATCHED_EVENTS_H

#include "daemon/watcher/watched.h"

/* The inotify(7) watch of a directory. Each directory has an instance of its own: two that are declared may
 * be one and the same, and its end is the end of the watch and of all that is queued in it. */

/** Watches what stands at its path. False with errno. */
[[gnu::warn_unused_result]] bool watched_events_open(struct watched *watched);

/** Ends that, if there is a watch. */
void watched_events_close(struct watched *watched);

/** Reads some of the events that are there, and touches the files that they name. */
void watched_events_read(struct watched *watched);

#endif
