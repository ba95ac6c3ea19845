#include "daemon/master/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/base/memory.h"

enum { ATTEMPTS = 10 };

static bool pid_file_failed(const char *path, const char *what, int error, char message[PID_FILE_MESSAGE])
{
    snprintf(message, PID_FILE_MESSAGE, "pid_file: cannot %s %.300s: %s", what, path, strerror(error));
    return false;
}

/* Says who holds the lock. */
static bool refuse_pid_file(int fd, const char *path, char message[PID_FILE_MESSAGE])
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0)
        snprintf(message, PID_FILE_MESSAGE, "pid_file: %.300s belongs to dispatchd, process %ld, which runs",
                 path, (long)lock.l_pid);
    else
        snprintf(message, PID_FILE_MESSAGE, "pid_file: %.300s belongs to a process that runs", path);
    return false;
}

/* Whether @path still names the file that is open: its owner may have removed it just before we got the
 * lock. */
static bool is_still_there(int fd, const char *path)
{
    struct stat opened;
    struct stat named;
    return fstat(fd, &opened) == 0 && lstat(path, &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

bool pid_file_open(struct pid_file *file, const char *path, char message[PID_FILE_MESSAGE])
{
    *file = (struct pid_file){.fd = -1};
    if (!path)
        return true;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
        if (fd < 0)
            return pid_file_failed(path, "open", errno, message);
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (fcntl(fd, F_SETLK, &lock) != 0) {
            int error = errno;
            bool held = error == EACCES || error == EAGAIN;
            bool opened =
                held ? refuse_pid_file(fd, path, message) : pid_file_failed(path, "lock", error, message);
            close(fd);
            return opened;
        }
        if (is_still_there(fd, path)) {
            file->fd = fd;
            file->path = memory_copy(path, strlen(path));
            return true;
        }
        close(fd);
    }
    return pid_file_failed(path, "lock", EBUSY, message);
}

bool pid_file_write(struct pid_file *file, char message[PID_FILE_MESSAGE])
{
    if (file->fd < 0)
        return true;
    char line[32];
    int length = snprintf(line, sizeof line, "%ld\n", (long)getpid());
    if (ftruncate(file->fd, 0) != 0)
        return pid_file_failed(file->path, "write", errno, message);
    ssize_t written = pwrite(file->fd, line, (size_t)length, 0);
    if (written != length)
        return pid_file_failed(file->path, "write", written < 0 ? errno : ENOSPC, message);
    return true;
}

void pid_file_close(struct pid_file *file)
{
    if (file->fd < 0)
        return;
    /* Without the lock the next dispatchd knows that a file which stays is stale; others read no number in
     * it. */
    if (unlink(file->path) != 0 && errno != ENOENT) {
        int error = errno;
        bool emptied = ftruncate(file->fd, 0) == 0;
        errno = error;
        log_warning("the pid file %s cannot be removed: %m; it stays%s", file->path,
                    emptied ? ", without a number" : "");
    }
    pid_file_forget(file);
}

void pid_file_forget(struct pid_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    free(file->path);
    *file = (struct pid_file){.fd = -1};
}
