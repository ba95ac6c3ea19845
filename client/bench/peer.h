#ifndef CLIENT_BENCH_PEER_H
#define CLIENT_BENCH_PEER_H

#include "client/bench/loop.h"
#include "client/c/ws_client.h"

/* One of the many connections of a loop. */

/** What a peer does with what comes. @closed NULL: a connection that ends is the end of the run. */
struct peer_events {
    void (*opened)(struct peer *peer); /* may be NULL */
    void (*message)(struct peer *peer, struct slice text);
    void (*closed)(struct peer *peer);
};

struct peer {
    struct ws_client ws;
    struct loop *loop;
    const struct peer_events *events;
    void *context;      /* the case's */
    unsigned index;     /* among its kind */
    bool waiting;       /* epoll watches for room to write */
    bool deaf;          /* nothing is read from it */
    bool queued;        /* stands in the loop's list of peers with something to send */
    bool ready;         /* may take part: open and, with dispatchd, authorised */
    uint64_t opened_ns; /* when the connection was begun */
    uint64_t last;      /* the last number that came */
    uint64_t received;
};

/** Begins a connection. A connection that cannot be begun ends the program. */
void peer_open(struct loop *loop, struct peer *peer, const struct ws_target *target, const char *token,
               unsigned source);

/** Queues a message; it goes out at the end of this pass (or at loop_send()). */
void peer_send(struct peer *peer, struct slice text);

/** From now on nothing is read from it; it still sends. */
void peer_stop_reading(struct peer *peer);

void peer_close(struct peer *peer);

/* For loop.c. */

/** Writes what is queued, and waits for room when not all of it fits. */
void peer_send_queued(struct peer *peer);

/** What the socket has had read from it is dealt with. */
void peer_take_events(struct peer *peer);

#endif
