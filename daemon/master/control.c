#include "daemon/master/control.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"

enum { BACKLOG = 1024 }; /* a tool that opens many sessions at once finds room for all */
enum { PAUSE_MS = 100, COMPLAIN_MS = 10000 };

struct client {
    struct control *control;
    int fd; /* -1: free */
    struct event *readable;
    struct event *writable;
    char line[CONTROL_LINE];
    size_t length;
    struct buffer answer;
    size_t sent;
    bool stays; /* after its answer, until the master ends */
};

struct control {
    struct event_base *base;
    int fd;
    struct event *event;
    struct event *pause; /* accepting goes on when it fires */
    uint64_t complained_ms;
    const struct control_callbacks *callbacks;
    void *context;
    struct client clients[CONTROL_CLIENTS];
};

static const struct timeval deadline = {.tv_sec = CONTROL_DEADLINE_MS / 1000};

enum control_command control_parse(const char *line, size_t length)
{
    struct slice said = slice_of(line, length);
    if (slice_equal(said, SLICE("status")))
        return CONTROL_STATUS;
    if (slice_equal(said, SLICE("stop")))
        return CONTROL_STOP;
    if (slice_equal(said, SLICE("session")))
        return CONTROL_SESSION;
    return CONTROL_UNKNOWN;
}

/* ---- the socket ---- */

static bool remove_stale(const char *path, const struct sockaddr_un *address, char *message)
{
    struct stat status;
    if (lstat(path, &status) != 0)
        return true; /* bind() says what else may be wrong */
    if (!S_ISSOCK(status.st_mode)) {
        snprintf(message, CONTROL_MESSAGE, "control: %s exists and is not a socket", path);
        return false;
    }
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool answered = probe >= 0 && (connect(probe, (const struct sockaddr *)address, sizeof *address) == 0 ||
                                   errno == EAGAIN || errno == EINPROGRESS);
    if (probe >= 0)
        close(probe);
    if (answered) {
        snprintf(message, CONTROL_MESSAGE, "control: another process answers on %s", path);
        return false;
    }
    if (unlink(path) != 0) {
        snprintf(message, CONTROL_MESSAGE, "control: %s, left by a dead process, cannot be removed: %s", path,
                 strerror(errno));
        return false;
    }
    return true;
}

/* The mode is right from the first moment, and nothing is done by name to a file that is not ours any
 * more. */
static int bind_socket(const struct sockaddr_un *address, uint64_t mode)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t before = umask((mode_t)(~mode & 0777));
    bool bound = fd >= 0 && bind(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    int error = errno;
    umask(before);
    if (bound)
        return fd;
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}

static int make_socket(const char *path, uint64_t mode, const struct service_user *heir, char *message)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path) {
        snprintf(message, CONTROL_MESSAGE, "control: the path is longer than %zu bytes: %.300s",
                 sizeof address.sun_path - 1, path);
        return -1;
    }
    memcpy(address.sun_path, path, length + 1);
    if (!remove_stale(path, &address, message))
        return -1;
    int fd = bind_socket(&address, mode);
    if (fd >= 0 && (!heir || lchown(path, heir->uid, heir->gid) == 0) && listen(fd, BACKLOG) == 0)
        return fd;
    snprintf(message, CONTROL_MESSAGE, "control: %s: %s", path, strerror(errno));
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    return -1;
}

int control_bind(const char *path, uint64_t mode, const struct service_user *user,
                 char message[CONTROL_MESSAGE])
{
    bool as_root = service_user_begin(user, path);
    int fd = make_socket(path, mode, as_root ? user : NULL, message);
    service_user_end(user);
    return fd;
}

/* ---- one client ---- */

static void close_client(struct client *client)
{
    event_free(client->readable);
    event_free(client->writable);
    if (client->fd >= 0)
        close(client->fd);
    buffer_free(&client->answer);
    memory_wipe(client->line, sizeof client->line);
    client->fd = -1;
}

static void control_on_writable(evutil_socket_t fd, short what, void *argument)
{
    struct client *client = argument;
    if (what & EV_TIMEOUT) {
        close_client(client);
        return;
    }
    while (client->sent < client->answer.length) {
        ssize_t wrote = send(fd, client->answer.data + client->sent, client->answer.length - client->sent,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
        if (wrote < 0 && errno == EAGAIN) {
            event_add(client->writable, &deadline);
            return;
        }
        if (wrote < 0) {
            close_client(client);
            return;
        }
        client->sent += (size_t)wrote;
    }
    if (!client->stays)
        close_client(client);
}

static void answer_command(struct client *client)
{
    buffer_append_byte(&client->answer, '\n');
    event_del(client->readable);
    control_on_writable(client->fd, EV_WRITE, client);
}

static void answer_error(struct client *client, const char *text)
{
    buffer_append_format(&client->answer, "{\"error\":\"%s\"}", text);
    answer_command(client);
}

static void hand_over_session(struct client *client)
{
    event_del(client->readable); /* before the descriptor leaves: epoll would keep watching it */
    if (!client->control->callbacks->session(client->control->context, client->fd)) {
        answer_error(client, "no worker is ready");
        return;
    }
    client->fd = -1;
    close_client(client);
}

static void run_line(struct client *client)
{
    struct control *control = client->control;
    switch (control_parse(client->line, client->length)) {
    case CONTROL_STATUS:
        control->callbacks->status(control->context, &client->answer);
        answer_command(client);
        return;
    case CONTROL_STOP:
        client->stays = true;
        buffer_append_text(&client->answer, "{\"stopping\":true}");
        answer_command(client);
        control->callbacks->stop(control->context);
        return;
    case CONTROL_SESSION:
        hand_over_session(client);
        return;
    case CONTROL_UNKNOWN:
        answer_error(client, "unknown command: expected status, stop or session");
        return;
    }
}

/* Reads the line and not a byte more: what follows "session" is the worker's. */
static void control_on_readable(evutil_socket_t fd, short what, void *argument)
{
    struct client *client = argument;
    if (what & EV_TIMEOUT) {
        answer_error(client, "no line came");
        return;
    }
    char *end = client->line + client->length;
    ssize_t seen = recv(fd, end, sizeof client->line - client->length, MSG_PEEK | MSG_DONTWAIT);
    if (seen < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (seen <= 0) {
        close_client(client);
        return;
    }
    const char *feed = memchr(end, '\n', (size_t)seen);
    size_t taken = feed ? (size_t)(feed - end) + 1 : (size_t)seen;
    if (recv(fd, end, taken, MSG_DONTWAIT) != (ssize_t)taken) {
        close_client(client);
        return;
    }
    client->length += feed ? taken - 1 : taken;
    if (feed)
        run_line(client);
    else if (client->length == sizeof client->line)
        answer_error(client, "the line is too long");
}

/* The connection stays in the kernel's queue, so the socket would be readable again at once, and for ever. */
static void pause_accepting(struct control *control)
{
    int saved = errno;
    uint64_t now = clock_monotonic_ms();
    event_del(control->event);
    event_add(control->pause, &(struct timeval){.tv_usec = PAUSE_MS * 1000});
    if (control->complained_ms && now - control->complained_ms < COMPLAIN_MS)
        return;
    control->complained_ms = now;
    errno = saved;
    log_warning("connections of the control socket wait: %m");
}

static void control_on_pause_over(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what;
    struct control *control = argument;
    event_add(control->event, NULL);
}

static void on_connect(evutil_socket_t fd, short what, void *argument)
{
    (void)what;
    struct control *control = argument;
    int connection = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (connection < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_accepting(control);
        return;
    }
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        struct client *client = &control->clients[i];
        if (client->fd >= 0)
            continue;
        *client = (struct client){.control = control, .fd = connection};
        client->readable =
            event_new(control->base, connection, EV_READ | EV_PERSIST, control_on_readable, client);
        client->writable = event_new(control->base, connection, EV_WRITE, control_on_writable, client);
        if (!client->readable || !client->writable || event_add(client->readable, &deadline) != 0)
            log_fatal("a control connection cannot be watched");
        return;
    }
    static const char busy[] = "{\"error\":\"too many control connections\"}\n";
    if (send(connection, busy, sizeof busy - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_debug("a control connection too many is closed without a word: %m");
    close(connection);
}

struct control *control_create(struct event_base *base, int fd, const struct control_callbacks *callbacks,
                               void *context)
{
    struct control *control = memory_zeroed(1, sizeof *control);
    control->base = base;
    control->fd = fd;
    control->callbacks = callbacks;
    control->context = context;
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        control->clients[i].fd = -1;
    control->event = event_new(base, fd, EV_READ | EV_PERSIST, on_connect, control);
    control->pause = event_new(base, -1, 0, control_on_pause_over, control);
    if (control->event && control->pause && event_add(control->event, NULL) == 0)
        return control;
    control_free(&control);
    return NULL;
}

void control_free(struct control **control)
{
    struct control *gone = *control;
    if (!gone)
        return;
    *control = NULL;
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        if (gone->clients[i].fd >= 0)
            close_client(&gone->clients[i]);
    if (gone->event)
        event_free(gone->event);
    if (gone->pause)
        event_free(gone->pause);
    close(gone->fd);
    free(gone);
}
