#ifndef DAEMON_MASTER_PID_FILE_H
#define DAEMON_MASTER_PID_FILE_H

#include <stdbool.h>

/*
 * The pid file of --pid-file. A record lock (fcntl(2)) on it says that its process lives, so one that a dead
 * process left is simply taken over, also when the number in it has been given to another program. The lock
 * belongs to the process that opened it: open after daemonising; children that are forked later hold nothing.
 */

enum { PID_FILE_MESSAGE = 512 };

struct pid_file {
    int fd; /* -1: there is none */
    char *path;
};

/**
 * Opens and locks @path, made with mode 0644 when missing; does not write yet. @path NULL: an empty pid_file
 * on which the other functions do nothing. Open it while still privileged. False: @message is one clear line,
 * naming the living process when there is one.
 */
[[gnu::warn_unused_result]] bool pid_file_open(struct pid_file *file, const char *path,
                                               char message[PID_FILE_MESSAGE]);

/** Writes this process's number: when it is ready. False: @message is one clear line. */
[[gnu::warn_unused_result]] bool pid_file_write(struct pid_file *file, char message[PID_FILE_MESSAGE]);

/** At the end: removes the file, or empties it where we may no longer remove it, which the log says, and lets go
 * of the lock. */
void pid_file_close(struct pid_file *file);

/** In a child of the process that opened it: closes the descriptor, leaves file and lock alone. */
void pid_file_forget(struct pid_file *file);

#endif
