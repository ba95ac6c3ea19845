#ifndef DAEMON_MASTER_SUPERVISOR_H
#define DAEMON_MASTER_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/ipc/inheritance.h"

struct event_base;
struct order_channel;

/*
 * The master's children: started, linked with each other, started again when they die (with back-off),
 * stopped. Order of life: the committer is ready first, then the workers and the watcher start; workers stop
 * first, then these two. There is a watcher if directories are declared.
 */

struct supervisor;

struct supervisor_callbacks {
    void (*started)(void *context);                  /* once: everything is ready for the first time */
    void (*failed)(void *context, const char *line); /* a child ended before that: no point in going on */
    void (*workers_changed)(void *context); /* a worker became ready, died, or took what waited for it */
    void (*stop_requested)(void *context);  /* by a worker, for a client that may */
    void (*stopped)(void *context);         /* the last child has ended after supervisor_stop() */
};

/**
 * How long to wait before the @failures-th start in a row that follows an early death: 0, 100 ms, 200 ms,
 * doubling up to 5 s. A child that lived SUPERVISOR_SOUND_MS starts again at 0.
 */
uint64_t supervisor_backoff_ms(unsigned failures);

enum { SUPERVISOR_SOUND_MS = 30000, SUPERVISOR_BACKOFF_MOST_MS = 5000 };

/** @common: config, scoreboard and ring. Everything is kept by reference. */
[[gnu::warn_unused_result]] struct supervisor *
supervisor_create(struct event_base *base, const struct inheritance *common, int family_lock,
                  const struct supervisor_callbacks *callbacks, void *context);

/** Starts the committer, and when it is ready the others. */
void supervisor_start(struct supervisor *supervisor);

/** SIGCHLD: collects children that have ended. */
void supervisor_reap(struct supervisor *supervisor);

/** SIGHUP: every child opens its log again. */
void supervisor_reopen_logs(struct supervisor *supervisor);

/** Once a second: children that stand still are looked for, and what could not be done before is tried
 * again. */
void supervisor_tick(struct supervisor *supervisor);

/** The channel of a worker that is ready; NULL: it is not. */
struct order_channel *supervisor_worker_channel(const struct supervisor *supervisor, unsigned slot);

/** Orders the workers to stop, then the others; whoever takes longer than stop_timeout_ms is killed. */
void supervisor_stop(struct supervisor *supervisor);

/** SIGKILL to every child, and waits for their end. */
void supervisor_kill(struct supervisor *supervisor);

/** All children must have ended. */
void supervisor_free(struct supervisor **supervisor);

#endif
