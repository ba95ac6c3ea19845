#include "daemon/master/signals.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void signals_on_signal(evutil_socket_t fd, short what, void *argument)
{
    (void)what;
    const struct signals *signals = argument;
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
        enum signals_kind kind = info.ssi_signo == SIGCHLD  ? SIGNALS_CHILD
                                 : info.ssi_signo == SIGHUP ? SIGNALS_REOPEN
                                                            : SIGNALS_STOP;
        signals->callback(signals->context, kind, (int)info.ssi_signo);
        if (signals->fd < 0)
            return;
    }
}

bool signals_open(struct signals *signals, struct event_base *base, signals_callback *callback, void *context)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    *signals = (struct signals){.fd = -1, .callback = callback, .context = context};
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return false;
    signals->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signals->fd < 0)
        return false;
    signals->event = event_new(base, signals->fd, EV_READ | EV_PERSIST, signals_on_signal, signals);
    if (signals->event && event_add(signals->event, NULL) == 0)
        return true;
    signals_close(signals);
    errno = ENOMEM;
    return false;
}

void signals_close(struct signals *signals)
{
    if (signals->event)
        event_free(signals->event);
    if (signals->fd >= 0)
        close(signals->fd);
    signals->event = NULL;
    signals->fd = -1;
}
