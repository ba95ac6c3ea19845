#ifndef DAEMON_MASTER_CHILD_FORK_H
#define DAEMON_MASTER_CHILD_FORK_H

#include <stdbool.h>
#include <sys/types.h>

#include "shared/ipc/inheritance.h"

/* Between the fork and a child's main function: what a child must not inherit is taken away here. */

struct child_start {
    const char *name; /* "worker 3", "committer": in ps and in the log */
    int (*main)(const struct inheritance *inheritance);
    int family_lock; /* data_directory.h; -1: none */
    bool urgent;     /* keeps the master's priority, priority.h */
};

/**
 * Forks a child that runs ->main and exits with what it returns. It has the standard descriptors, the log,
 * the family lock, the ring's wake-ups and its order channel (put into its copy of @inheritance) and nothing
 * else; SIGTERM, SIGINT, SIGHUP and SIGPIPE are ignored, no signal is blocked. When its master dies it has
 * the configured time for an orderly stop and is then ended by an alarm.
 *
 * Returns the process id, and in @order_channel the master's end (nonblocking). -1 with errno.
 */
[[gnu::warn_unused_result]] pid_t child_fork(const struct child_start *start,
                                             const struct inheritance *inheritance, int *order_channel);

#endif
