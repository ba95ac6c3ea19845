#ifndef WORKER_BASE_WATCHER_LINK_H
#define WORKER_BASE_WATCHER_LINK_H

#include "shared/watch/watch_messages.h"
#include "worker/base/worker.h"

/* The worker's end of the stream to the watcher, watch_messages.h. What is to be said is asked for when there
 * is room for it, and what comes is read as long as the pass has work left. */

struct watcher_link;

struct watcher_link_events {
    /** The link has ended, or is another one: the watcher knows nothing, and begins anew. */
    void (*ended)(struct worker *worker);
    /** A message. False: it makes no sense, and the link ends. Its name is valid during the call. */
    bool (*message)(struct worker *worker, const struct watch_message *message);
    /** Appends what the watcher is to be told now, if anything. */
    void (*fill)(struct worker *worker, struct buffer *out);
};

struct watcher_link *watcher_link_create(struct worker *worker, const struct watcher_link_events *events);
void watcher_link_free(struct watcher_link **link);

/** A new stream socket, from the master. Takes the descriptor. */
void watcher_link_connect(struct watcher_link *link, int fd);

/** Once in a pass, and when there is something to tell: writes. */
void watcher_link_flush(struct watcher_link *link);

/** Whether there has been no watcher for so long that nobody should wait for it. */
bool watcher_link_is_given_up(const struct watcher_link *link);

#endif
