#include "daemon/master/child_fork.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/master/daemonize.h"
#include "daemon/master/priority.h"
#include "daemon/master/process_title.h"
#include "shared/base/log.h"

enum { KEPT_MOST = RING_WORKERS + 8, ORPHAN_EXTRA_SECONDS = 5 };

static unsigned orphan_seconds;

/* The master is dead. The end of the order channel tells the child so too, and it stops by itself; should it
 * not, it must not outlive its master for ever: the next one waits for it. */
static void on_master_death(int signal)
{
    (void)signal;
    alarm(orphan_seconds);
}

static int compare_descriptors(const void *a, const void *b)
{
    int left = *(const int *)a;
    int right = *(const int *)b;
    return (left > right) - (left < right);
}

/* Closes everything else, also what libraries opened (the master's epoll descriptor among them). */
static void close_others(const struct child_start *start, const struct inheritance *inheritance)
{
    int kept[KEPT_MOST] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, inheritance->order_channel};
    size_t count = 4;
    if (log_descriptor() >= 0)
        kept[count++] = log_descriptor();
    if (start->family_lock >= 0)
        kept[count++] = start->family_lock;
    for (unsigned slot = 0; inheritance->ring && slot < inheritance->scoreboard->workers; slot++)
        kept[count++] = ring_wakeup_fd(inheritance->ring, slot);
    qsort(kept, count, sizeof kept[0], compare_descriptors);
    int next = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept[i] > next)
            close_range((unsigned)next, (unsigned)kept[i] - 1, 0);
        if (kept[i] >= next)
            next = kept[i] + 1;
    }
    close_range((unsigned)next, ~0U, 0);
}

static void reset_signals(void)
{
    /* A terminal's ^C goes to the whole group, but the master orders the stop. */
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE};
    static const int plain[] = {SIGCHLD, SIGUSR1, SIGQUIT, SIGALRM};
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        signal(plain[i], SIG_DFL);
    struct sigaction belt = {.sa_handler = on_master_death, .sa_flags = SA_RESTART};
    sigaction(SIGUSR2, &belt, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A daemon's standard error is that of whoever started it until it is ready; a child would hold it for
 * ever. */
static void leave_terminal(void)
{
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere < 0 || dup2(nowhere, STDERR_FILENO) < 0)
        log_warning("/dev/null: %m");
    if (nowhere > STDERR_FILENO)
        close(nowhere);
}

[[gnu::noreturn]] static void run_child(const struct child_start *start,
                                        const struct inheritance *inheritance, pid_t master)
{
    const struct config *config = inheritance->config;
    log_process(start->name);
    daemonize_forget();
    close_others(start, inheritance);
    reset_signals();
    if (!config->foreground)
        leave_terminal();
    if (!start->urgent)
        priority_restore();
    process_title_set("dispatchd: %s", start->name);
    orphan_seconds = (unsigned)(config->stop_timeout_ms / 1000) + ORPHAN_EXTRA_SECONDS;
    if (prctl(PR_SET_PDEATHSIG, SIGUSR2) != 0)
        log_warning("prctl: %m");
    if (getppid() != master) /* died between the fork and the line above */
        _exit(1);
    int status = start->main(inheritance);
    log_finish();
    exit(status);
}

pid_t child_fork(const struct child_start *start, const struct inheritance *inheritance, int *order_channel)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        return -1;
    log_flush();
    fflush(NULL);
    pid_t master = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        struct inheritance own = *inheritance;
        own.order_channel = ends[1];
        run_child(start, &own, master);
    }
    int saved = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        errno = saved;
        return -1;
    }
    *order_channel = ends[0];
    return pid;
}
