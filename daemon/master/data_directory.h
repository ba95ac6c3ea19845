#ifndef DAEMON_MASTER_DATA_DIRECTORY_H
#define DAEMON_MASTER_DATA_DIRECTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/master/service_user.h"

/* The directory of the store, which one dispatchd at a time may use. */

enum { DATA_DIRECTORY_MESSAGE = 512 + 2 * 4096 }; /* it may name the path twice */

struct data_directory {
    int master_lock; /* held by the master alone: closed in every child */
    int family_lock; /* held by the master and every child: the last of them releases it */
};

/**
 * Makes @path when it is missing (mode 0700), gives one that root has to @user, if that user cannot have put
 * another in its place, and locks it. A directory that others may write to is refused, and one that belongs
 * to neither root nor the user who is to use it. A living master is refused at once; for processes that a
 * dead master left behind it waits up to @wait_ms milliseconds. False: @message is one clear line.
 */
[[gnu::warn_unused_result]] bool data_directory_open(const char *path, const struct service_user *user,
                                                     uint64_t wait_ms, struct data_directory *out,
                                                     char message[DATA_DIRECTORY_MESSAGE]);

/** Releases the locks of this process. */
void data_directory_close(struct data_directory *directory);

#endif
