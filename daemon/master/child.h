#ifndef DAEMON_MASTER_CHILD_H
#define DAEMON_MASTER_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/master/stall.h"
#include "shared/ipc/orders.h"
#include "shared/ipc/scoreboard.h"

struct event;
struct order_channel;
struct supervisor;

/* One child as the master knows it. The supervisor's own: it decides when what happens. */

enum child_role { CHILD_COMMITTER, CHILD_WATCHER, CHILD_WORKER };

struct child {
    struct supervisor *supervisor;
    struct scoreboard *scoreboard;
    enum child_role role;
    unsigned slot; /* a worker's */
    char name[24];
    pid_t pid; /* 0: not running */
    struct order_channel *channel;
    enum process_state state;
    bool linked;                 /* a worker: has its stream to the committer that runs now */
    bool watch_linked;           /* the same, to the watcher */
    bool reopen_owed;            /* SIGHUP came while it could not handle it yet */
    unsigned failures;           /* deaths in a row, each before SUPERVISOR_SOUND_MS */
    uint64_t started_ms;         /* monotonic */
    uint64_t start_passes;       /* while it starts: child_passes() when its time was given last */
    struct stall stall;          /* while it is ready */
    char last_words[ORDER_TEXT]; /* why it ends, when it said so */
    struct event *timer;         /* running: until it must be ready; not running: until it starts again */
};

/** Sets the state and shows it, with the process id, in the child's row of the scoreboard. */
void child_set_state(struct child *child, enum process_state state);

/** What a dead child left in its row counts no more. */
void child_clear_row(const struct child *child);

/** Passes of its loop, and pieces of what it did before it was ready. */
uint64_t child_passes(const struct child *child);

/** SIGHUP, now or when it is ready. */
void child_reopen_log(struct child *child);

/** Orders it to stop, once. One that takes no orders is killed. */
void child_stop(struct child *child);

/** Kills it if it was ordered to stop and still runs. */
void child_kill_late(const struct child *child);

/** Kills it and waits for its end. */
void child_kill(const struct child *child);

/** Frees channel and timer. */
void child_release(struct child *child);

/** "exited with status 1", "was ended by signal 11 (Segmentation fault)": of a status of waitpid(2). */
void child_end_cause(int status, char *out, size_t capacity);

#endif
