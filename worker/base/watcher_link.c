#include "worker/base/watcher_link.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"

enum { READ_BYTES = 32768, DOWN_MOST_MS = 10000 };

struct watcher_link {
    struct worker *worker;
    const struct watcher_link_events *events;
    int fd; /* -1: there is none */
    struct event readable, writable;
    struct buffer in, out;
    size_t written;         /* of ->out */
    uint64_t down_since_ms; /* while there is none */
};

static void link_down(struct watcher_link *link)
{
    if (link->fd < 0)
        return;
    event_del(&link->readable);
    event_del(&link->writable);
    close(link->fd);
    link->fd = -1;
    link->down_since_ms = clock_monotonic_ms();
    link->written = 0;
    buffer_clear(&link->in);
    buffer_clear(&link->out);
    link->events->ended(link->worker);
}

static void handle_messages(struct watcher_link *link)
{
    struct slice rest = buffer_slice(&link->in);
    struct watch_message message;
    int taken;
    while ((taken = watch_message_take(&rest, &message)) == 1) {
        work_charge(&link->worker->work, WORK_LOOKUP);
        if (!link->events->message(link->worker, &message)) {
            taken = -1;
            break;
        }
    }
    if (taken < 0) {
        log_error("the watcher sent something malformed: its link is closed");
        link_down(link);
        return;
    }
    buffer_consume(&link->in, link->in.length - rest.length);
}

static void link_on_readable(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what;
    struct watcher_link *link = argument;
    if (!work_left(&link->worker->work, WORK_KEPT_FOR_OUTPUT))
        return; /* the kernel announces it again in the next pass */
    ssize_t got = recv(link->fd, buffer_reserve(&link->in, READ_BYTES), READ_BYTES, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        link_down(link);
        return;
    }
    link->in.length += (size_t)got;
    handle_messages(link);
}

static void link_on_writable(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what;
    watcher_link_flush(argument);
}

void watcher_link_connect(struct watcher_link *link, int fd)
{
    link_down(link);
    link->fd = fd;
    event_assign(&link->readable, link->worker->base, fd, EV_READ | EV_PERSIST, link_on_readable, link);
    event_assign(&link->writable, link->worker->base, fd, EV_WRITE, link_on_writable, link);
    if (event_add(&link->readable, NULL) != 0)
        log_fatal("the watcher's link cannot be watched");
    watcher_link_flush(link);
}

void watcher_link_flush(struct watcher_link *link)
{
    if (link->fd < 0)
        return;
    if (!link->out.length)
        link->events->fill(link->worker, &link->out);
    while (link->written < link->out.length) {
        ssize_t wrote = send(link->fd, link->out.data + link->written, link->out.length - link->written,
                             MSG_DONTWAIT | MSG_NOSIGNAL);
        work_charge(&link->worker->work, WORK_WRITE);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0) { /* that it has ended is seen by the reading side */
            if (errno == EAGAIN || errno == EWOULDBLOCK)
                event_add(&link->writable, NULL);
            return;
        }
        link->written += (size_t)wrote;
    }
    buffer_clear(&link->out);
    link->written = 0;
}

bool watcher_link_is_given_up(const struct watcher_link *link)
{
    return link->fd < 0 && clock_monotonic_ms() - link->down_since_ms > DOWN_MOST_MS;
}

struct watcher_link *watcher_link_create(struct worker *worker, const struct watcher_link_events *events)
{
    struct watcher_link *link = memory_zeroed(1, sizeof *link);
    link->worker = worker;
    link->events = events;
    link->fd = -1;
    link->down_since_ms = clock_monotonic_ms();
    return link;
}

void watcher_link_free(struct watcher_link **link)
{
    if (!*link)
        return;
    link_down(*link);
    buffer_free(&(*link)->in);
    buffer_free(&(*link)->out);
    free(*link);
    *link = NULL;
}
