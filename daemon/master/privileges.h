#ifndef DAEMON_MASTER_PRIVILEGES_H
#define DAEMON_MASTER_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

/* Becoming the user of --user, for good. */

enum { PRIVILEGES_MESSAGE = 256 };

/**
 * Looks up a user by name or number. @user NULL: nobody is asked for, *@uid and *@gid become -1. False:
 * @message is one clear line (there is no such user, or we are neither root nor that user).
 */
[[gnu::warn_unused_result]] bool privileges_find(const char *user, uid_t *uid, gid_t *gid,
                                                 char message[PRIVILEGES_MESSAGE]);

/**
 * Becomes @user with its groups and verifies that there is no way back, then sets no_new_privs, which all
 * children inherit. @user NULL: only no_new_privs. Call before threads are made. False: @message is one clear
 * line, and the process must end.
 */
[[gnu::warn_unused_result]] bool privileges_drop(const char *user, char message[PRIVILEGES_MESSAGE]);

#endif
