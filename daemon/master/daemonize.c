#include "daemon/master/daemonize.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/log.h"

/* Towards the first process: nothing but READY, or the line to show. -1: not daemonised, or told already. */
static int report_fd = -1;

static const char ready_word[] = "READY\n";

/* The first process: waits for the daemon's word and leaves. */
[[gnu::noreturn]] static void wait_for_daemon(int fd, pid_t child)
{
    char word[DAEMONIZE_MESSAGE + 1];
    size_t length = 0;
    while (length < DAEMONIZE_MESSAGE) {
        ssize_t got = read(fd, word + length, DAEMONIZE_MESSAGE - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    word[length] = '\0';
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    if (strcmp(word, ready_word) == 0)
        _exit(0);
    if (length)
        dprintf(STDERR_FILENO, "dispatchd: %s\n", word);
    _exit(1);
}

/* Puts /dev/null in the place of @fd. */
static bool nullify_descriptor(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return false;
    bool done = dup2(null, fd) == fd;
    if (null != fd)
        close(null);
    return done;
}

static void tell_parent(const char *word)
{
    size_t length = strlen(word);
    while (length) {
        ssize_t put = send(report_fd, word, length, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            break; /* the first process has gone: nobody is interested */
        word += put;
        length -= (size_t)put;
    }
    daemonize_forget();
}

static bool daemonize_fail(const char *what, char message[DAEMONIZE_MESSAGE])
{
    snprintf(message, DAEMONIZE_MESSAGE, "cannot go into the background: %s: %s", what, strerror(errno));
    return false;
}

bool daemonize_begin(char message[DAEMONIZE_MESSAGE])
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return daemonize_fail("socketpair", message);
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        daemonize_fail("fork", message);
        close(ends[0]);
        close(ends[1]);
        return false;
    }
    if (child > 0) {
        close(ends[1]);
        wait_for_daemon(ends[0], child);
    }
    close(ends[0]);
    report_fd = ends[1];
    /* The leader of the session ends, so that the daemon can never get a terminal. */
    if (setsid() < 0)
        daemonize_failed("cannot go into the background: setsid");
    else {
        pid_t daemon = fork();
        if (daemon == 0 && chdir("/") == 0 && nullify_descriptor(STDIN_FILENO) &&
            nullify_descriptor(STDOUT_FILENO))
            return true;
        if (daemon > 0)
            _exit(0);
        daemonize_fail(daemon < 0 ? "fork" : "/ or /dev/null", message);
        daemonize_failed(message);
    }
    _exit(1);
}

void daemonize_ready(void)
{
    if (report_fd < 0)
        return;
    if (!nullify_descriptor(STDERR_FILENO))
        log_warning("standard error stays open: %m");
    tell_parent(ready_word);
}

void daemonize_failed(const char *line)
{
    if (report_fd >= 0)
        tell_parent(line);
}

void daemonize_forget(void)
{
    if (report_fd >= 0)
        close(report_fd);
    report_fd = -1;
}
