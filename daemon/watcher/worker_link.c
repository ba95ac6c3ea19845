#include "daemon/watcher/worker_link.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/watch/watch_messages.h"

enum { READ_BYTES = 4096, WRITE_BYTES = 32768, PLACES_A_TURN = 65536 };

static void link_on_readable(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what;
    struct worker_link *link = argument;
    link->readable_now = true;
}

static void link_on_writable(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what;
    struct worker_link *link = argument;
    link->blocked = false;
}

void worker_link_open(struct worker_link *link, struct event_base *base, unsigned slot, int fd,
                      size_t directories)
{
    *link = (struct worker_link){.fd = fd, .slot = slot};
    link->listening = memory_zeroed(directories, sizeof *link->listening);
    event_assign(&link->readable, base, fd, EV_READ | EV_PERSIST, link_on_readable, link);
    event_assign(&link->writable, base, fd, EV_WRITE, link_on_writable, link);
    if (event_add(&link->readable, NULL) != 0)
        log_fatal("a worker's link cannot be waited for");
}

static void stop_listening(struct worker_link *link, struct watched *watched, unsigned directory,
                           struct file_table **graves)
{
    if (link->listening[directory].listens)
        watched_leave(&watched[directory], graves);
    link->listening[directory] = (struct listening){0};
}

void worker_link_close(struct worker_link *link, struct watched *watched, size_t directories,
                       struct file_table **graves)
{
    for (unsigned i = 0; i < directories; i++)
        stop_listening(link, watched, i, graves);
    event_del(&link->readable);
    event_del(&link->writable);
    close(link->fd);
    buffer_free(&link->in);
    buffer_free(&link->out);
    free(link->listening);
    *link = (struct worker_link){.fd = -1};
}

/* ---- what the worker says ---- */

static bool take_message(struct worker_link *link, const struct watch_message *message,
                         struct watched *watched, size_t directories)
{
    if (message->directory >= directories)
        return false;
    struct listening *listening = &link->listening[message->directory];
    switch (message->type) {
    case WATCH_LISTEN:
        if (!listening->listens)
            watched_enter(&watched[message->directory]);
        *listening = (struct listening){.listens = true, .serial = message->serial};
        return true;
    case WATCH_UNLISTEN:
        listening->leaves = true;
        return true;
    case WATCH_BEGIN:
    case WATCH_FILE:
    case WATCH_GONE:
    case WATCH_WHOLE:
        break;
    }
    return false;
}

void worker_link_read(struct worker_link *link, struct watched *watched, size_t directories,
                      struct file_table **graves)
{
    link->readable_now = false;
    ssize_t got = recv(link->fd, buffer_reserve(&link->in, READ_BYTES), READ_BYTES, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        link->ended = true;
        return;
    }
    link->in.length += (size_t)got;
    struct slice rest = buffer_slice(&link->in);
    struct watch_message message;
    int taken;
    while ((taken = watch_message_take(&rest, &message)) == 1)
        if (!take_message(link, &message, watched, directories)) {
            taken = -1;
            break;
        }
    if (taken < 0) {
        log_error("worker %u sent something malformed: its link is closed", link->slot);
        link->ended = true;
        return;
    }
    buffer_consume(&link->in, link->in.length - rest.length);
    for (unsigned i = 0; i < directories; i++)
        if (link->listening[i].leaves)
            stop_listening(link, watched, i, graves);
}

/* ---- what it is told ---- */

static void tell(struct worker_link *link, enum watch_message_type type, unsigned directory,
                 const struct file *file)
{
    struct watch_message message = {
        .type = type, .directory = directory, .serial = link->listening[directory].serial};
    if (file) {
        message.size = file->size;
        message.modified_ms = file->modified_ms;
        message.name = file->name;
    }
    watch_message_append(&link->out, &message);
}

static bool must_begin(const struct listening *listening, const struct file_table *table)
{
    uint64_t horizon = file_table_horizon(table);
    return !listening->begun || (listening->cursor < horizon && listening->began < horizon);
}

/* Up to about WRITE_BYTES. */
static void tell_directory(struct worker_link *link, const struct watched *watched, unsigned directory)
{
    struct listening *listening = &link->listening[directory];
    const struct file_table *table = watched->table;
    if (must_begin(listening, table)) {
        listening->begun = true;
        listening->told_whole = false;
        listening->cursor = 0;
        listening->began = file_table_last(table);
        tell(link, WATCH_BEGIN, directory, NULL);
    }
    struct file_walk walk = file_table_walk(table, listening->cursor);
    const struct file *file;
    uint64_t passed = 0, from = listening->cursor;
    while (link->out.length < WRITE_BYTES && passed < PLACES_A_TURN &&
           (file = file_table_next(&walk, &passed))) {
        if (!file->gone)
            tell(link, WATCH_FILE, directory, file);
        else if (file_was_told(file, from, listening->began))
            tell(link, WATCH_GONE, directory, file);
        listening->cursor = file->stamp;
    }
    if (link->out.length >= WRITE_BYTES || passed >= PLACES_A_TURN)
        return;
    listening->cursor = file_table_last(table);
    if (watched->whole && !listening->told_whole) {
        listening->told_whole = true;
        tell(link, WATCH_WHOLE, directory, NULL);
    }
}

static bool is_told(const struct listening *listening, const struct watched *watched)
{
    return !listening->listens ||
           (!must_begin(listening, watched->table) && listening->cursor == file_table_last(watched->table) &&
            (listening->told_whole || !watched->whole));
}

static void write_out(struct worker_link *link)
{
    while (link->written < link->out.length) {
        ssize_t wrote = send(link->fd, link->out.data + link->written, link->out.length - link->written,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0 && errno == EAGAIN) {
            link->blocked = true;
            event_add(&link->writable, NULL);
            return;
        }
        if (wrote < 0) {
            link->ended = true;
            return;
        }
        link->written += (size_t)wrote;
    }
    buffer_clear(&link->out);
    link->written = 0;
}

/* The first directory, in turn, of which there is something to tell; -1: none. */
static int next_directory(struct worker_link *link, const struct watched *watched, size_t directories)
{
    for (unsigned i = 0; i < directories; i++) {
        unsigned directory = (link->turn + i) % (unsigned)directories;
        if (is_told(&link->listening[directory], &watched[directory]))
            continue;
        link->turn = directory + 1;
        return (int)directory;
    }
    return -1;
}

bool worker_link_write(struct worker_link *link, const struct watched *watched, size_t directories,
                       size_t most)
{
    size_t bytes = 0;
    for (;;) {
        if (link->blocked || link->ended)
            return false;
        write_out(link);
        if (link->blocked || link->ended)
            return false;
        int directory = next_directory(link, watched, directories);
        if (directory < 0)
            return false;
        if (bytes >= most)
            return true;
        tell_directory(link, &watched[directory], (unsigned)directory);
        bytes += link->out.length + 1;
    }
}
