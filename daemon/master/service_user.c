#include "daemon/master/service_user.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/base/memory.h"

enum { PATH_BYTES = 4096, LINKS_MOST = 40 };

/* root's own groups, while we act as somebody else. */
static gid_t *own_groups;
static int own_group_count;

bool service_user_differs(const struct service_user *user)
{
    return user->uid != (uid_t)-1 && user->uid != 0 && getuid() == 0;
}

void service_user_become(const struct service_user *user)
{
    if (!service_user_differs(user) || geteuid() == user->uid)
        return;
    const struct passwd *found = getpwuid(user->uid);
    own_group_count = getgroups(0, NULL);
    own_groups = memory_zeroed((size_t)own_group_count + 1, sizeof *own_groups);
    if (getgroups(own_group_count, own_groups) != own_group_count ||
        initgroups(found ? found->pw_name : user->name, user->gid) != 0 || setegid(user->gid) != 0 ||
        seteuid(user->uid) != 0)
        log_fatal("user: files cannot be opened as \"%s\": %m", user->name);
}

void service_user_end(const struct service_user *user)
{
    if (!service_user_differs(user) || geteuid() == 0)
        return;
    if (seteuid(0) != 0 || setegid(getgid()) != 0 || setgroups((size_t)own_group_count, own_groups) != 0)
        log_fatal("user: there is no way back from \"%s\": %m", user->name);
    free(own_groups);
    own_groups = NULL;
}

static bool may_change(const struct service_user *user, int directory, const struct stat *status)
{
    if (status->st_uid == user->uid)
        return true;
    service_user_become(user);
    bool may = faccessat(directory, ".", W_OK | X_OK, AT_EACCESS) == 0;
    service_user_end(user);
    return may;
}

/* On the way along a path: what was walked, free of links, and what is left of it. */
struct walk {
    char done[PATH_BYTES];
    char rest[2 * PATH_BYTES];
    unsigned links;
};

/* Takes the next name off the rest. False: there is none, or it is too long. */
static bool take_name(struct walk *walk, char name[PATH_BYTES])
{
    const char *at = walk->rest + strspn(walk->rest, "/");
    size_t length = strcspn(at, "/");
    if (length == 0 || length >= PATH_BYTES)
        return false;
    memcpy(name, at, length);
    name[length] = '\0';
    memmove(walk->rest, at + length, strlen(at + length) + 1);
    return true;
}

static bool append_name(struct walk *walk, const char *name)
{
    size_t length = strlen(walk->done);
    int more = snprintf(walk->done + length, sizeof walk->done - length, "/%s", name);
    return more > 0 && length + (size_t)more < sizeof walk->done;
}

/* Goes on where the link @name in @directory leads. */
static bool follow_path(struct walk *walk, int directory, const char *name)
{
    char target[PATH_BYTES], rest[sizeof walk->rest];
    ssize_t length = readlinkat(directory, name, target, sizeof target);
    if (length <= 0 || (size_t)length == sizeof target || ++walk->links > LINKS_MOST)
        return false;
    int whole = snprintf(rest, sizeof rest, "%.*s/%s", (int)length, target, walk->rest);
    if (whole < 0 || (size_t)whole >= sizeof rest)
        return false;
    /* A slash at the end that was not there before says nothing. */
    memcpy(walk->rest, rest, (size_t)whole + 1);
    if (target[0] == '/')
        walk->done[0] = '\0';
    return true;
}

enum step { STEP_ON, STEP_SAFE, STEP_LEADS };

/* One name further. A sticky directory keeps others from replacing what root has in it, but not from adding
 * to it. */
static enum step service_user_step(const struct service_user *user, struct walk *walk)
{
    char name[PATH_BYTES];
    struct stat status, found;
    int fd = open(walk->done[0] ? walk->done : "/", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) {
        if (fd >= 0)
            close(fd);
        return STEP_SAFE; /* nothing can be opened there, nor be put there by @user */
    }
    bool may = may_change(user, fd, &status);
    bool replaces = may && !((status.st_mode & S_ISVTX) && status.st_uid != user->uid);
    enum step result = may ? STEP_LEADS : STEP_SAFE;
    if (!take_name(walk, name)) /* the path names this directory */
        goto done;
    bool last = walk->rest[strspn(walk->rest, "/")] == '\0';
    bool there = fstatat(fd, name, &found, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && S_ISLNK(found.st_mode) && !may)
        result = follow_path(walk, fd, name) ? STEP_ON : STEP_LEADS;
    else if (there && !S_ISLNK(found.st_mode) && !last && !replaces)
        result = append_name(walk, name) ? STEP_ON : STEP_LEADS;
done:
    close(fd);
    return result;
}

bool service_user_leads(const struct service_user *user, const char *path)
{
    struct walk walk = {0};
    if (!service_user_differs(user))
        return false;
    if (strlen(path) >= PATH_BYTES)
        return true;
    memcpy(walk.rest, path, strlen(path) + 1);
    enum step result;
    do
        result = service_user_step(user, &walk);
    while (result == STEP_ON);
    return result == STEP_LEADS;
}

bool service_user_begin(const struct service_user *user, const char *path)
{
    if (!service_user_differs(user))
        return false;
    if (!service_user_leads(user, path))
        return true;
    service_user_become(user);
    return false;
}
