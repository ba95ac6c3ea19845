#ifndef CLIENT_BENCH_SERVER_H
#define CLIENT_BENCH_SERVER_H

#include <sched.h>

#include "client/bench/bench.h"

/* The processes of the server on this machine: what they use, from /proc. */

struct server {
    pid_t pids[PID_LIMIT];
    size_t count;    /* 0: not known; nothing is measured of it */
    pid_t committer; /* 0: not known */
    char control[256];
    bool has_control;
};

/** Bytes, summed over the processes; proc(5), smaps_rollup. */
struct server_memory {
    uint64_t pss;
    uint64_t anonymous; /* the part of the PSS that is no file: without the store's pages */
};

/** From --pid, or from the status of the dispatchd behind --control. A control socket that was named and does
 * not answer ends the program; without one the server's figures are left out with a note on stderr. */
void server_find(struct server *server, const struct bench_options *options);

/** User and system time of all its processes. */
double server_cpu_seconds(const struct server *server);

/** False: not allowed to look, or not known. */
[[gnu::warn_unused_result]] bool server_memory_read(const struct server *server,
                                                    struct server_memory *memory);

/** Memory of its processes that is no file's, in bytes, cheaply (proc(5), RssAnon); 0 when not known. */
uint64_t server_anonymous(const struct server *server);

/** Moves this process to the processors on which the server's committer may run; @before: where it was, for
 * server_leave_processors(). False: they are not known, or it may not run there. */
bool server_share_processors(const struct server *server, cpu_set_t *before);
void server_leave_processors(const cpu_set_t *before);

/** A number of the committer in the status ("commits", "changes"); 0 when there is no control socket. */
uint64_t server_committer(const struct server *server, const char *key);

#endif
