#include "daemon/master/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* A user by name, or by number when it is all digits and no name. NULL: there is none. */
static const struct passwd *find_user(const char *user)
{
    errno = 0;
    const struct passwd *found = getpwnam(user);
    if (found || *user == '\0' || user[strspn(user, "0123456789")] != '\0')
        return found;
    unsigned long number = strtoul(user, NULL, 10);
    return number < (uid_t)-1 ? getpwuid((uid_t)number) : NULL;
}

bool privileges_find(const char *user, uid_t *uid, gid_t *gid, char message[PRIVILEGES_MESSAGE])
{
    *uid = (uid_t)-1;
    *gid = (gid_t)-1;
    if (!user)
        return true;
    const struct passwd *found = find_user(user);
    if (!found) {
        snprintf(message, PRIVILEGES_MESSAGE, "user: there is no user \"%.64s\"", user);
        return false;
    }
    if (geteuid() != 0 && geteuid() != found->pw_uid) {
        snprintf(message, PRIVILEGES_MESSAGE, "user: only root can become \"%.64s\"", user);
        return false;
    }
    *uid = found->pw_uid;
    *gid = found->pw_gid;
    return true;
}

static bool privileges_failed(const char *what, const char *user, char message[PRIVILEGES_MESSAGE])
{
    snprintf(message, PRIVILEGES_MESSAGE, "user: cannot %s of \"%.64s\": %s", what, user, strerror(errno));
    return false;
}

/* Groups before the user, who may not change them any more. */
static bool become_user(const char *user, uid_t uid, gid_t gid, char message[PRIVILEGES_MESSAGE])
{
    const struct passwd *found = getpwuid(uid);
    if (geteuid() == 0) {
        if (initgroups(found ? found->pw_name : user, gid) != 0)
            return privileges_failed("take the groups", user, message);
        if (setresgid(gid, gid, gid) != 0)
            return privileges_failed("take the group", user, message);
    }
    if (setresuid(uid, uid, uid) != 0)
        return privileges_failed("take the identity", user, message);
    uid_t real, effective, saved;
    if (getresuid(&real, &effective, &saved) != 0 || real != uid || effective != uid || saved != uid ||
        (uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))) {
        snprintf(message, PRIVILEGES_MESSAGE, "user: becoming \"%.64s\" left a way back", user);
        return false;
    }
    return true;
}

bool privileges_drop(const char *user, char message[PRIVILEGES_MESSAGE])
{
    uid_t uid;
    gid_t gid;
    if (!privileges_find(user, &uid, &gid, message))
        return false;
    if (user && !become_user(user, uid, gid, message))
        return false;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
        snprintf(message, PRIVILEGES_MESSAGE, "cannot set no_new_privs: %s", strerror(errno));
        return false;
    }
    return true;
}
