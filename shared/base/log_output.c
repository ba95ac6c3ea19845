#include "shared/base/log_output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "shared/base/clock.h"

enum output_kind {
    OUTPUT_SHARED, /* somebody else's too, and may block: asked first whether it would */
    OUTPUT_FILE,   /* takes everything */
    OUTPUT_OPENED, /* by ourselves, O_NONBLOCK */
    OUTPUT_SOCKET, /* each call says that it does not wait */
    OUTPUT_SYSLOG, /* a datagram socket: a line in each */
};

enum { CONNECT_EVERY_MS = 1000 };

static struct {
    enum output_kind kind;
    int fd;
    char path[4096];       /* of a file; empty otherwise */
    uint64_t connected_ms; /* when the system's log was last looked for */
} output = {.kind = OUTPUT_SHARED, .fd = STDERR_FILENO};

static void use_output(enum output_kind kind, int fd, const char *path)
{
    if (output.fd > STDERR_FILENO)
        close(output.fd);
    output.kind = kind;
    output.fd = fd;
    snprintf(output.path, sizeof output.path, "%s", path);
}

static bool open_file(const char *path)
{
    struct stat status;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    if (fd < 0)
        return false;
    bool is_file = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    use_output(is_file ? OUTPUT_FILE : OUTPUT_OPENED, fd, path);
    return true;
}

/* Only what has no offset is the same when it is opened anew. */
static void open_stderr(void)
{
    struct stat status;
    mode_t type = fstat(STDERR_FILENO, &status) == 0 ? status.st_mode & S_IFMT : 0;
    int fd = -1;
    if (type == S_IFIFO || type == S_IFCHR)
        fd = open("/proc/self/fd/2", O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0)
        use_output(OUTPUT_OPENED, fd, "");
    else if (type == S_IFSOCK)
        use_output(OUTPUT_SOCKET, STDERR_FILENO, "");
    else
        use_output(type == S_IFREG ? OUTPUT_FILE : OUTPUT_SHARED, STDERR_FILENO, "");
}

/* Not with syslog(3), which waits for the system's log when that is behind. */
static void connect_syslog(void)
{
    static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
    uint64_t now = clock_monotonic_ms();
    if (output.connected_ms && now - output.connected_ms < CONNECT_EVERY_MS)
        return;
    output.connected_ms = now;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        fd = -1;
    }
    use_output(OUTPUT_SYSLOG, fd, "");
}

bool log_output_open(const char *destination)
{
    if (strcmp(destination, "syslog") == 0) {
        output.connected_ms = 0;
        connect_syslog();
        return true;
    }
    if (strcmp(destination, "stderr") == 0) {
        open_stderr();
        return true;
    }
    if (strlen(destination) < sizeof output.path)
        return open_file(destination);
    errno = ENAMETOOLONG;
    return false;
}

bool log_output_reopen(void)
{
    char path[sizeof output.path];
    memcpy(path, output.path, sizeof path);
    errno = EINVAL;
    return path[0] && open_file(path);
}

const char *log_output_path(void)
{
    return output.path;
}

int log_output_descriptor(void)
{
    return output.fd;
}

bool log_output_is_syslog(void)
{
    return output.kind == OUTPUT_SYSLOG;
}

/* As many whole lines as a pipe takes together, so that those of several processes are not mixed; at least
 * one. */
static size_t whole_lines(const char *bytes, size_t length)
{
    if (length <= PIPE_BUF)
        return length;
    const char *end = memrchr(bytes, '\n', PIPE_BUF);
    if (!end)
        end = memchr(bytes, '\n', length);
    return end ? (size_t)(end - bytes) + 1 : length;
}

/* A pipe that is full for others, since we asked, is waited for all the same: only where it could not be
 * opened anew. */
static ssize_t write_shared(const char *bytes, size_t length)
{
    struct pollfd polled = {.fd = output.fd, .events = POLLOUT};
    if (poll(&polled, 1, 0) != 1 || !(polled.revents & POLLOUT))
        return 0;
    size_t most = whole_lines(bytes, length);
    return write(output.fd, bytes, most < PIPE_BUF ? most : PIPE_BUF);
}

/* The line feed is not sent. A line that is too long for the system's log is taken, too, or it would be in
 * the way for ever. */
static ssize_t send_line(const char *bytes, size_t length)
{
    const char *end = memchr(bytes, '\n', length);
    size_t line = end ? (size_t)(end - bytes) : length;
    ssize_t sent = -1;
    if (output.fd >= 0)
        sent = send(output.fd, bytes, line, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (output.fd < 0 || (errno != EAGAIN && errno != ENOBUFS && errno != EMSGSIZE))) {
        connect_syslog(); /* it has been started again, perhaps */
        if (output.fd >= 0)
            sent = send(output.fd, bytes, line, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    if (sent < 0 && output.fd >= 0 && errno == EMSGSIZE)
        sent = (ssize_t)line;
    return sent < 0 ? 0 : sent + (end != NULL);
}

size_t log_output_write(const char *bytes, size_t length)
{
    ssize_t wrote = 0;
    do {
        switch (output.kind) {
        case OUTPUT_SHARED:
            wrote = write_shared(bytes, length);
            break;
        case OUTPUT_FILE:
            wrote = write(output.fd, bytes, length);
            break;
        case OUTPUT_OPENED:
            wrote = write(output.fd, bytes, whole_lines(bytes, length));
            break;
        case OUTPUT_SOCKET:
            wrote = send(output.fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
            break;
        case OUTPUT_SYSLOG:
            wrote = send_line(bytes, length);
            break;
        }
    } while (wrote < 0 && errno == EINTR);
    return wrote > 0 ? (size_t)wrote : 0;
}
