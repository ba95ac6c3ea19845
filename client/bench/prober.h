#ifndef CLIENT_BENCH_PROBER_H
#define CLIENT_BENCH_PROBER_H

#include <pthread.h>
#include <stdatomic.h>

#include "client/bench/histogram.h"
#include "client/bench/loop.h"
#include "client/bench/peer.h"

/*
 * An ordinary client beside a load: each of its connections calls `detail` and `insert` in turn, one call at
 * a time and at most one in a millisecond. It runs in a thread with a loop of its own, so that what it
 * measures is the server and not how busy the load's side of this tool is.
 */

enum { PROBER_REFUSAL_BYTES = 200 };

struct probe; /* one connection and its open call */

struct prober {
    struct bench *bench;
    unsigned count; /* of connections */
    struct peer *peers;
    struct probe *probes;
    struct loop loop;
    struct buffer text;
    pthread_t thread;
    atomic_bool stopping;
    atomic_ulong answered; /* calls so far */

    /* The results, to be read when it has stopped. */
    struct histogram detail, insert;
    uint64_t inserted; /* documents 1 to @inserted of the run were sent to the collection */
    uint64_t refused, unanswered;
    char refusal[PROBER_REFUSAL_BYTES]; /* the first one, as it came */
};

/** Opens @count connections to the bench's URL with @token. Document 0 of the run is to be in the collection,
 * and those up to @inserted may be. */
void prober_open(struct prober *prober, struct bench *bench, const char *token, unsigned count,
                 uint64_t inserted);

/** Begins to call. */
void prober_start(struct prober *prober);

/** Ends calling, and waits for the answers that are due; 30 s at most. */
void prober_stop(struct prober *prober);

void prober_close(struct prober *prober);

#endif
