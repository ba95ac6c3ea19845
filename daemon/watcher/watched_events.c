#include "daemon/watcher/watched_events.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <sys/inotify.h>
#include <sys/time.h>
#include <unistd.h>

#include "shared/base/log.h"

enum {
    READ_BYTES = 16384, /* some 500 events */
    /* Of events that are alike and not read yet the kernel keeps one: whoever writes in small pieces costs no
     * more than a pass of the loop in this time. */
    PAUSE_MS = 10,
};

enum {
    FILE_EVENTS =
        IN_CREATE | IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE,
    OWN_EVENTS = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED, /* it is not there any more */
};

static void events_on_readable(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what;
    struct watched *watched = argument;
    watched->events = true;
}

static void on_pause_over(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what;
    struct watched *watched = argument;
    event_add(&watched->readable, NULL);
}

bool watched_events_open(struct watched *watched)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0)
        return false;
    if (inotify_add_watch(fd, watched->declared->path,
                          FILE_EVENTS | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK) < 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return false;
    }
    /* The kernel went through all the files of the directory that it has in memory: 15 ms for 100,000, which
     * nobody can cut in pieces. */
    watched->inotify = fd;
    event_assign(&watched->readable, watched->base, fd, EV_READ, events_on_readable, watched);
    event_assign(&watched->pause, watched->base, -1, 0, on_pause_over, watched);
    if (event_add(&watched->readable, NULL) != 0)
        log_fatal("inotify cannot be waited for");
    return true;
}

void watched_events_close(struct watched *watched)
{
    watched->events = false;
    if (watched->inotify < 0)
        return;
    event_del(&watched->readable);
    event_del(&watched->pause);
    close(watched->inotify);
    watched->inotify = -1;
}

static void take_event(struct watched *watched, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        watched_rescan(watched);
    else if (event->mask & OWN_EVENTS)
        watched->lost = true;
    else if (event->len == 0 && event->mask & IN_ATTRIB)
        watched_rescan_later(watched);
    else if (event->len > 0 && !(event->mask & IN_ISDIR))
        watched_touch(watched, slice_text(event->name));
}

void watched_events_read(struct watched *watched)
{
    _Alignas(struct inotify_event) char bytes[READ_BYTES];
    ssize_t got = read(watched->inotify, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR)
        return;
    for (ssize_t at = 0; at < got;) {
        const struct inotify_event *event = (const struct inotify_event *)(bytes + at);
        take_event(watched, event);
        at += (ssize_t)sizeof *event + event->len;
    }
    if (got > (ssize_t)sizeof bytes / 2)
        return; /* there may be more */
    watched->events = false;
    if (got < 0 && errno != EAGAIN) {
        watched->lost = true;
        return;
    }
    event_add(&watched->pause, &(struct timeval){.tv_usec = PAUSE_MS * 1000});
}
