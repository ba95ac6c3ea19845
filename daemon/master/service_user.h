#ifndef DAEMON_MASTER_SERVICE_USER_H
#define DAEMON_MASTER_SERVICE_USER_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * The user that root becomes after the start (--user). Until then, whoever is that user must not get root to
 * open, make or give away a file of its choice, by a link that it places on the way to one that the
 * configuration names. So where it may change what is on the way, root does there what it has to do as that
 * user.
 */

struct service_user {
    const char *name; /* as the configuration has it */
    uid_t uid;        /* (uid_t)-1: we stay who we are */
    gid_t gid;
};

/** Whether we are root and will be @user, who is somebody else. */
bool service_user_differs(const struct service_user *user);

/** Whether @user may change where @path leads: who owns or may write to a directory on the way, that of the
 * file included, or to one that a link on the way leads through. For a directory itself: "PATH/.". */
bool service_user_leads(const struct service_user *user, const char *path);

/**
 * Until service_user_end(), files are opened and made as root or, if @user may change where @path leads, as
 * @user. True: what is made at @path is root's and has to be given to @user, which is safe.
 */
bool service_user_begin(const struct service_user *user, const char *path);
void service_user_end(const struct service_user *user);

/** The same, as @user in any case. */
void service_user_become(const struct service_user *user);

#endif
