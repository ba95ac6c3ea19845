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
#include "shared/store/store.h"
#include "worker/base/work.h"
#include "worker/output/backlog.h"
#include "worker/output/viewer.h"

/* What the rooms of one worker process share. Made by worker_open(), one in a process. */
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
    struct thread_pool *threads;
    struct authority *authority;
    struct job_list *jobs;

    struct work work;           /* what this pass of the loop may still spend */
    uint64_t refused_strangers; /* calls since that was last said in the log */
    size_t held;                /* bytes of memory that all open calls hold, as far as they are counted */
    struct json message;        /* the message being handled; reused */
    struct buffer scratch;      /* for characters of strings within one method */
    struct buffer reply;        /* the message being made; reused */
    struct buffer line;         /* of the log, being made; reused */
    unsigned
        walk_documents;   /* that changes of rights may still look at in this pass, entries of the log too */
    bool snapshot;        /* store_begin() was called in this pass: see worker_snapshot() */
    bool snapshot_failed; /* somebody waits until one can be taken again */
    bool stopping;
    bool running;
};

/**
 * A snapshot of the store that is at least as new as everything acknowledged before the bytes now being
 * handled were received. It is kept for all messages of one read and ended by worker_snapshot_end(). False:
 * the store failed.
 */
[[gnu::warn_unused_result]] bool worker_snapshot(struct worker *worker);
void worker_snapshot_end(struct worker *worker);

/** Opens everything in a zeroed @worker. A store that is set already is used as it is (tests have one to
 * write). */
void worker_open(struct worker *worker, const struct inheritance *inheritance);

/** Closes all sessions and frees everything, the store too. Open calls end without a client. */
void worker_close(struct worker *worker);

/** What a pass of the loop does when the events have been handled. True: there is more to do at once. */
[[gnu::warn_unused_result]] bool worker_pass(struct worker *worker);

/** Asks the master for an orderly stop of the whole service. */
void worker_request_stop(struct worker *worker);

#endif
