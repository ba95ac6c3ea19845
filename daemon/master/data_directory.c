#include "daemon/master/data_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"

/* Bytes of the lock file, each a lock of its own. Locks of open file descriptions (fcntl(2), F_OFD_SETLK) are
 * shared with children over a fork and last until the last copy of the descriptor is closed. */
enum { LOCK_MASTER = 0, LOCK_FAMILY = 1 };

enum { RETRY_MS = 50, PATH_MOST = 4096 };

static bool lock_byte(int fd, off_t byte)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/*
 * Who may write to the directory can put another store, or a link to another file, where the service or root
 * opens one. The sticky bit does not help: it keeps files from being removed, not from being made. @service:
 * the user that the service runs as.
 */
static bool is_safe(const char *path, const struct stat *status, uid_t service, char *message)
{
    unsigned mode = status->st_mode & 07777;
    if (status->st_uid != 0 && status->st_uid != service) {
        snprintf(message, DATA_DIRECTORY_MESSAGE,
                 "data: %s (mode %04o) belongs to user %u, not to root or user %u, who is to use it; if what "
                 "is in "
                 "it can be trusted: chown -R %u %s",
                 path, mode, (unsigned)status->st_uid, (unsigned)service, (unsigned)service, path);
        return false;
    }
    if (mode & (S_IWGRP | S_IWOTH)) {
        snprintf(
            message, DATA_DIRECTORY_MESSAGE,
            "data: %s (mode %04o) may be written to by %s; if what is in it can be trusted: chmod go-w %s",
            path, mode, mode & S_IWOTH ? "everybody" : "its group", path);
        return false;
    }
    return true;
}

/* A copy that was put back may have come with other modes, or with its owner. */
static bool files_are_safe(const char *path, int fd, uid_t service, char *message)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "lock"};
    char name[PATH_MOST];
    struct stat status;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(name, sizeof name, "%s/%s", path, files[i]);
        if (fstatat(fd, files[i], &status, 0) == 0 && !is_safe(name, &status, service, message))
            return false;
    }
    return true;
}

/* Root gives away only what nobody else can have put in the place of the directory that was meant. */
static bool give_directory(const char *path, int fd, const struct service_user *user, char *message)
{
    char inside[PATH_MOST];
    int length = snprintf(inside, sizeof inside, "%s/.", path);
    if (length < 0 || (size_t)length >= sizeof inside || service_user_leads(user, inside)) {
        snprintf(message, DATA_DIRECTORY_MESSAGE,
                 "data: %s belongs to root, and user %u may change where that path leads; if it is the one "
                 "that is "
                 "meant: chown -R %u %s",
                 path, (unsigned)user->uid, (unsigned)user->uid, path);
        return false;
    }
    if (fchown(fd, user->uid, user->gid) == 0)
        return true;
    snprintf(message, DATA_DIRECTORY_MESSAGE, "data: %s cannot be given to user %u: %s", path,
             (unsigned)user->uid, strerror(errno));
    return false;
}

/* It is looked at and given away by its descriptor. */
static bool check_directory(const char *path, int fd, const struct service_user *user, char *message)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        snprintf(message, DATA_DIRECTORY_MESSAGE, "data: %s: %s", path, strerror(errno));
        return false;
    }
    bool asked_for = user->uid != (uid_t)-1;
    uid_t service = asked_for ? user->uid : geteuid();
    if (!is_safe(path, &status, service, message) || !files_are_safe(path, fd, service, message))
        return false;
    if (asked_for && status.st_uid != user->uid && !give_directory(path, fd, user, message))
        return false;
    service_user_become(user);
    bool usable = faccessat(fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) == 0;
    int error = errno;
    service_user_end(user);
    if (!usable)
        snprintf(message, DATA_DIRECTORY_MESSAGE, "data: %s is not writable: %s", path, strerror(error));
    return usable;
}

/* Made when it is missing, and opened. -1: @message says why not. */
static int open_directory(const char *path, const struct service_user *user, char *message)
{
    (void)service_user_begin(user, path);
    bool is_there = mkdir(path, 0700) == 0 || errno == EEXIST;
    int fd = is_there ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int error = errno;
    service_user_end(user);
    if (!is_there)
        snprintf(message, DATA_DIRECTORY_MESSAGE, "data: %s cannot be made: %s", path, strerror(error));
    else if (fd < 0 && error == ENOTDIR)
        snprintf(message, DATA_DIRECTORY_MESSAGE, "data: %s is not a directory", path);
    else if (fd < 0)
        snprintf(message, DATA_DIRECTORY_MESSAGE, "data: %s: %s", path, strerror(error));
    if (fd < 0 || check_directory(path, fd, user, message))
        return fd;
    close(fd);
    return -1;
}

static int open_lock_file(const char *path, int directory, const struct service_user *user, char *message)
{
    service_user_become(user);
    int fd = openat(directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int error = errno;
    service_user_end(user);
    if (fd < 0)
        snprintf(message, DATA_DIRECTORY_MESSAGE, "data: the lock file in %s cannot be opened: %s", path,
                 strerror(error));
    return fd;
}

/* The holder writes its process id into the file: for the message alone, the locks are what counts. */
static void say_who_holds(int fd, const char *path, char *message)
{
    char pid[16] = "";
    ssize_t length = pread(fd, pid, sizeof pid - 1, 0);
    pid[length > 0 ? length : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
    snprintf(message, DATA_DIRECTORY_MESSAGE, "data: %s is in use by another dispatchd%s%s", path,
             pid[0] ? ", process " : "", pid);
}

static void write_holder(int fd)
{
    char pid[16];
    int length = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)length, 0) != length)
        log_warning("the lock file cannot be written: %m");
}

static bool wait_for_family(int fd, uint64_t wait_ms)
{
    uint64_t deadline = clock_monotonic_ms() + wait_ms;
    bool said = false;
    while (!lock_byte(fd, LOCK_FAMILY)) {
        if (clock_monotonic_ms() >= deadline)
            return false;
        if (!said) {
            log_notice("waiting for processes that an earlier dispatchd left behind");
            log_flush();
            said = true;
        }
        nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000L}, NULL);
    }
    return true;
}

bool data_directory_open(const char *path, const struct service_user *user, uint64_t wait_ms,
                         struct data_directory *out, char message[DATA_DIRECTORY_MESSAGE])
{
    *out = (struct data_directory){-1, -1};
    int directory = open_directory(path, user, message);
    if (directory < 0)
        return false;
    /* Each is an open file of its own: so are its locks. */
    out->master_lock = open_lock_file(path, directory, user, message);
    if (out->master_lock >= 0)
        out->family_lock = open_lock_file(path, directory, user, message);
    close(directory);
    if (out->master_lock < 0 || out->family_lock < 0)
        goto refused;
    if (!lock_byte(out->master_lock, LOCK_MASTER)) {
        say_who_holds(out->master_lock, path, message);
        goto refused;
    }
    if (!wait_for_family(out->family_lock, wait_ms)) {
        snprintf(message, DATA_DIRECTORY_MESSAGE,
                 "data: %s is still in use by processes that an earlier dispatchd left behind", path);
        goto refused;
    }
    write_holder(out->master_lock);
    return true;

refused:
    data_directory_close(out);
    return false;
}

void data_directory_close(struct data_directory *directory)
{
    if (directory->master_lock >= 0)
        close(directory->master_lock);
    if (directory->family_lock >= 0)
        close(directory->family_lock);
    *directory = (struct data_directory){-1, -1};
}
