#ifndef CLIENT_BENCH_BENCH_H
#define CLIENT_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "client/c/ws_target.h"
#include "shared/base/buffer.h"

/* dispatchbench(1): what every case is given. One file for each case; its table entry stands at its foot. */

enum { PID_LIMIT = 256 };

struct report;

/** The command line. A number of 0 means: the case's default. */
struct bench_options {
    const char *url;
    const char *publish_url; /* broadcast: where messages are published, when that is another place */
    const char *collection;
    const char *unseen;   /* another one, for documents that subscribers do not see */
    const char *fairness; /* another one, for what the loads of that case do */
    const char *load;     /* fairness: the only one, NULL: all */
    const char *control;  /* path of the control socket */
    bool control_given;
    pid_t pids[PID_LIMIT]; /* of the server, given by hand */
    size_t pid_count;
    const char *login;
    bool password_stdin;
    const char *token;
    const char *bare_lmdb; /* directory for the comparison with LMDB alone */
    bool until_answered;   /* a change is in flight until it is answered, not until it is delivered to all */
    bool keep;             /* documents stay when the run is over */
    bool json;
    uint64_t subscribers, in_flight, connections, count, duration, document_bytes, rate, documents, hold,
        warm_up, probers, scale;
};

/** All that a case works with. */
struct bench {
    struct bench_options options;
    struct ws_target target;
    struct buffer token; /* with a NUL after it; empty: none is needed (control socket) or none is known */
    struct buffer login; /* with --login: the data of authorize_by_login, password included */
    char run[9];         /* random: in the ids of this run's documents */
    struct report *report;
};

struct bench_case {
    const char *name;
    const char *options; /* names of the options that it takes, beside the common ones */
    const char *help;
    void (*defaults)(struct bench_options *options);
    bool (*run)(struct bench *bench); /* false: it ran, and something was lost, doubled or reordered */
    bool plain;                       /* any server: not the protocol of dispatchd */
};

extern const struct bench_case case_fanout, case_paced, case_calls, case_inserts, case_idle, case_churn,
    case_sync, case_broadcast, case_logins, case_unseen, case_fairness;

/** The bearer token for handshakes, or NULL. */
static inline const char *bench_token(const struct bench *bench)
{
    return bench->token.length > 0 ? bench->token.data : NULL;
}

/** Prints "dispatchbench: ..." on stderr and ends the program with status 1. */
[[gnu::noreturn, gnu::format(printf, 1, 2)]] void bench_fail(const char *format, ...);

static inline uint64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/** User and system time of this program so far: near the time that has passed, it is the tool that is
 * measured. */
static inline double bench_cpu_seconds(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static inline double bench_seconds(uint64_t from_ns, uint64_t to_ns)
{
    return (double)(to_ns - from_ns) / 1e9;
}

#endif
