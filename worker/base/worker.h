#ifndef WORKER_BASE_WORKER_H
#define WORKER_BASE_WORKER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/config/config.h"
#include "shared/ipc/inheritance.h"
#include "shared/json/json.h"
#include "shared/ring/ring.h"
#include "shared/store/read.h"
#include "worker/base/work.h"

struct account_table;
struct authority;
struct backlog;
struct committer_link;
struct directories;
struct job_list;
struct network;
struct orders;
struct stopping;
struct thread_pool;
struct viewer_table;
struct watcher_link;

/* What the rooms of one worker process share. Made by worker_open(), one in a process. What belongs to one
 * room is a pointer that only it looks behind. */
struct worker {
    const struct config *config;
    const struct scoreboard *scoreboard;
    struct scoreboard_worker *score; /* our row */
    struct login_attempts *attempts; /* failed log-ins, all workers' */
    struct ring *ring;
    unsigned slot;
    int order_channel;
    uint64_t incarnation;     /* random: tells this process from the ones before it in the same slot */
    int64_t clock_ahead_ms;   /* what the wall clock says beyond the monotonic one, as it was seen last */
    uint64_t clock_steady_ms; /* monotonic: since when, as far as we saw, the wall clock has not jumped */

    struct event_base *base;
    struct store *store;
    struct ring_cursor cursor;
    uint64_t log_target; /* changes up to this come from the change log, not from the ring */
    struct backlog *backlog;
    struct viewer_table *viewers;
    struct network *network;
    struct committer_link *link;
    struct committer_queue *committer_queue; /* of users' sets, on their way to the link */
    struct watcher_link *watcher;
    struct directories *directories; /* as the watcher tells */
    size_t first_told;               /* the directory whose listeners are told first in the next pass */
    struct thread_pool *threads;
    struct authority *authority;
    struct account_table *accounts; /* the authority's */
    struct job_list *jobs;
    struct orders *orders;
    void (*request_stop)(
        struct worker *worker); /* asks the master for an orderly stop of the whole service */
    struct stopping *stopping;  /* NULL: it does not stop */

    struct work work;            /* what this pass of the loop may still spend */
    uint64_t refused_strangers;  /* calls since that was last said in the log */
    size_t held;                 /* bytes of memory that all open calls hold, as far as they are counted */
    size_t candidates_held;      /* bytes of documents that jobs hold between two steps */
    size_t sorts_held;           /* bytes of sorted documents that are kept for finds */
    struct json message;         /* the message being handled; reused */
    struct buffer *message_text; /* its text, when that is nobody else's: who keeps both takes them */
    struct large_message_queue
        *large_messages;   /* large messages that are not parsed yet; NULL: there are none */
    struct buffer scratch; /* for characters of strings within one method */
    struct buffer reply;   /* the message being made; reused */
    struct buffer line;    /* of the log, being made; reused */
    uint64_t rights_left;  /* units that bringing copies in line with rights may still use in this pass */
    bool snapshot;         /* store_begin() was called in this pass: see snapshot_take() */
    bool snapshot_failed;  /* somebody waits until one can be taken again */
    bool running;
};

#endif
