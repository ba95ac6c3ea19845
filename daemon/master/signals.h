#ifndef DAEMON_MASTER_SIGNALS_H
#define DAEMON_MASTER_SIGNALS_H

#include <stdbool.h>

struct event_base;
struct event;

/* The master's signals, as events. They are blocked and read from a signalfd(2): a handler would be inherited
 * by the children and could write to the master's loop from there. */

enum signals_kind { SIGNALS_CHILD, SIGNALS_STOP, SIGNALS_REOPEN };

typedef void signals_callback(void *context, enum signals_kind kind, int number);

struct signals {
    int fd;
    struct event *event;
    signals_callback *callback;
    void *context;
};

/** Blocks SIGCHLD, SIGTERM, SIGINT and SIGHUP and watches for them; ignores SIGPIPE. False with errno. */
[[gnu::warn_unused_result]] bool signals_open(struct signals *signals, struct event_base *base,
                                              signals_callback *callback, void *context);

/** The signals remain blocked. */
void signals_close(struct signals *signals);

#endif
