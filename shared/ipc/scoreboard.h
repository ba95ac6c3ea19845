#ifndef SHARED_IPC_SCOREBOARD_H
#define SHARED_IPC_SCOREBOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/ipc/address_counts.h"
#include "shared/ipc/presence.h"
#include "shared/ring/ring.h"

/*
 * Shared memory in which each process writes its own row and the master reads all of them. Counters are since
 * the row's process started, unless it says otherwise; the master clears a row when its process has died.
 * What all workers write together is in a struct of its own.
 */

enum process_state { PROCESS_NONE, PROCESS_STARTING, PROCESS_READY, PROCESS_STOPPING };

struct scoreboard_worker {
    _Atomic int32_t pid;          /* 0: none; the master writes it */
    _Atomic uint32_t state;       /* enum process_state; the master writes it */
    _Atomic uint32_t connections; /* handed over and not yet closed: the master adds, the worker subtracts */
    _Atomic uint32_t connections_most; /* its descriptors have room for; 0: not known yet; it writes it before
                                          it is ready */
    _Atomic uint32_t authorized;       /* of these, logged in */
    _Atomic uint64_t accepted;         /* handshakes completed */
    _Atomic uint64_t calls;            /* messages that were calls */
    _Atomic uint64_t deliveries;       /* frames of changes handed to the kernel, for each connection */
    _Atomic uint64_t bytes_out;
    _Atomic uint64_t ring_position; /* bytes; the distance to the ring's head is what it has not read */
    _Atomic uint64_t ring_seq;      /* last change in its backlog */
    _Atomic uint64_t backlog_bytes;
    _Atomic uint64_t backlog_frames;
    _Atomic uint64_t overruns;            /* times the ring lapped it */
    _Atomic uint64_t catching_up;         /* connections now served from the change log */
    _Atomic uint64_t loops;               /* passes of its event loop, one a second at least: stall.h */
    _Atomic uint64_t still_ms;            /* without one, when that is remarkable; the master writes it */
    _Atomic uint64_t work_units;          /* spent, as worker/base/work.h counts them */
    _Atomic uint64_t largest_step_units;  /* the most that was done at once, without asking */
    _Atomic uint64_t largest_pass_units;  /* in one pass of the loop */
    _Atomic uint64_t cpu_us;              /* of the processor, for all passes */
    _Atomic uint64_t largest_pass_cpu_us; /* for one */
    _Atomic uint64_t calls_bytes;         /* that open calls hold, and what has come in part */
    _Atomic bool no_user;                 /* worker 0, before it is ready: nobody can log in */
    char padding[128];
};

struct scoreboard_committer {
    _Atomic int32_t pid;
    _Atomic uint32_t state;
    _Atomic uint64_t seq;     /* last committed */
    _Atomic uint64_t commits; /* transactions */
    _Atomic uint64_t sets;    /* change sets applied */
    _Atomic uint64_t changes;
    _Atomic uint64_t refused; /* sets answered with an error */
    _Atomic uint64_t store_used_bytes;
    _Atomic uint64_t store_map_bytes;
    _Atomic uint32_t store_full;     /* 1 while the last commit failed for lack of room */
    _Atomic uint64_t loops;          /* as a worker's; transactions count too */
    _Atomic uint64_t still_ms;       /* as a worker's */
    _Atomic uint64_t work_units;     /* spent on transactions, as set_work.h counts them */
    _Atomic uint64_t cpu_us;         /* of the processor, for them */
    _Atomic uint64_t largest_work;   /* units of one */
    _Atomic uint64_t largest_cpu_us; /* of the processor, for one */
    _Atomic bool syncing;            /* it waits for the disk */
    char padding[128];
};

struct scoreboard_watcher {
    _Atomic int32_t pid; /* 0: none; there is none when no directory is declared */
    _Atomic uint32_t state;
    _Atomic uint32_t directories;         /* that somebody listens to */
    _Atomic uint32_t watches;             /* inotify watches on them */
    _Atomic uint64_t files;               /* in them, as far as they are listed */
    _Atomic uint64_t looks;               /* files of which size and time were asked */
    _Atomic uint64_t loops;               /* as a worker's, but none while ->idle */
    _Atomic uint64_t still_ms;            /* as a worker's */
    _Atomic uint64_t cpu_us;              /* of the processor, for all passes */
    _Atomic uint64_t largest_pass_cpu_us; /* for one */
    _Atomic bool idle;                    /* nobody listens: it sleeps until something comes over a link */
    char padding[128];
};

/** What is counted for rates; the master takes a sample every second. */
enum scoreboard_rate { RATE_CALLS, RATE_DELIVERIES, RATE_CHANGES, RATE_ACCEPTED, RATE_COUNT };

enum { SCOREBOARD_LISTEN = 6144 };

struct scoreboard {
    uint32_t workers;            /* rows in use */
    bool watches;                /* there is a watcher; written before the first fork */
    _Atomic uint64_t started_ms; /* wall clock */
    _Atomic int32_t master_pid;
    /* A second, in tenths, over the last seconds; the master writes them. */
    _Atomic uint64_t rates[RATE_COUNT];
    char listen[SCOREBOARD_LISTEN]; /* JSON strings with commas between: the actual addresses; written before
                                       the first fork */
    _Atomic uint64_t restarts;      /* children started again after they died */
    _Atomic uint64_t refused;       /* connections that the master refused: limits, no descriptors */
    _Atomic bool short_of_descriptors; /* the last that came was refused, or waits, for want of descriptors */
    struct scoreboard_committer committer;
    struct scoreboard_watcher watcher;
    struct login_attempts *attempts;  /* mapped before the first fork, so at the same place in all */
    struct address_counts *addresses; /* the same; NULL in tests: each worker counts alone */
    struct presence *presence;        /* the same; workers need it */
    struct scoreboard_worker worker[RING_WORKERS];
};

/** Maps a scoreboard without any counts, shared with all later children. NULL with errno. */
[[gnu::warn_unused_result]] struct scoreboard *scoreboard_create(uint32_t workers);

#endif
