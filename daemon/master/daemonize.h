#ifndef DAEMON_MASTER_DAEMONIZE_H
#define DAEMON_MASTER_DAEMONIZE_H

#include <stdbool.h>

/*
 * Going into the background. The process that was started waits until the daemon says that it is ready or why
 * not, and leaves with status 0 or 1, so that a script can rely on it. Without daemonize_begin() the other
 * functions do nothing.
 */

enum { DAEMONIZE_MESSAGE = 512 };

/**
 * Forks twice with setsid(2) between. Only the daemon returns: in "/", with standard input and output at
 * /dev/null, and standard error where it was until it is ready. Call before threads and before files are
 * locked. False: it could not fork, @message is one clear line, and this is still the first process.
 */
[[gnu::warn_unused_result]] bool daemonize_begin(char message[DAEMONIZE_MESSAGE]);

/** The daemon is ready: the first process leaves with 0; standard error goes to /dev/null. */
void daemonize_ready(void);

/** The daemon cannot start: the first process writes "dispatchd: @line" to its standard error and leaves
 * with 1. A daemon that ends without a word has the same effect, without a line. */
void daemonize_failed(const char *line);

/** In a child of the daemon: closes what the daemon keeps open for the first process. */
void daemonize_forget(void);

#endif
