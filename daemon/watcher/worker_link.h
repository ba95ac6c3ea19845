#ifndef DAEMON_WATCHER_WORKER_LINK_H
#define DAEMON_WATCHER_WORKER_LINK_H

#include <event2/event_struct.h>

#include "daemon/watcher/watched.h"
#include "shared/base/buffer.h"

/*
 * The watcher's end of the stream to a worker, shared/watch/watch_messages.h. What the worker has not been told
 * yet is not kept: it is what lies behind the place where the link stands in each table, and becomes messages
 * as the worker reads them.
 */

/* A directory to which connections of the worker listen. */
struct listening {
    bool listens;
    bool leaves; /* unless it changes its mind in what is read now: to end a watch and begin it takes long */
    bool begun;  /* BEGIN was sent */
    bool told_whole; /* WHOLE was */
    uint32_t serial;
    uint64_t cursor; /* told of all changes up to this */
    uint64_t began;  /* the last change when the telling began */
};

struct worker_link {
    int fd; /* -1: there is none */
    unsigned slot;
    struct event readable, writable;
    bool readable_now;
    bool blocked; /* the worker is behind: until ->writable */
    bool ended;   /* to be closed by its owner */
    struct buffer in, out;
    size_t written;              /* of ->out */
    unsigned turn;               /* the directory that comes first, so that none starves another */
    struct listening *listening; /* for each directory */
};

/** Takes over @fd. @directories: how many are declared. */
void worker_link_open(struct worker_link *link, struct event_base *base, unsigned slot, int fd,
                      size_t directories);

/** Closes it; its directories are left. */
void worker_link_close(struct worker_link *link, struct watched *watched, size_t directories,
                       struct file_table **graves);

/** Reads what the worker wants. */
void worker_link_read(struct worker_link *link, struct watched *watched, size_t directories,
                      struct file_table **graves);

/** Writes what it has not been told yet, as far as it reads, and about @most bytes at most. True: there is
 * more, and it reads. */
[[gnu::warn_unused_result]] bool worker_link_write(struct worker_link *link, const struct watched *watched,
                                                   size_t directories, size_t most);

#endif
