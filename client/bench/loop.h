#ifndef CLIENT_BENCH_LOOP_H
#define CLIENT_BENCH_LOOP_H

#include "client/bench/bench.h"
#include "client/c/ws_client.h"

/*
 * One thread, one epoll, many connections ("peers"). Made so that the tool costs less than what it measures:
 * all peers read into the same memory, what is queued for a peer goes out in one write at the end of a pass,
 * and the clock is read once for each read.
 */

struct loop;
struct peer;

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

struct loop {
    int epoll;
    struct ws_input input;
    uint64_t now_ns; /* of the read that is looked at */
    struct peer **queue;
    size_t queue_count, queue_capacity;
};

void loop_init(struct loop *loop);
void loop_free(struct loop *loop);

/** Waits up to @timeout_ms for something, deals with it, sends what was queued. */
void loop_pass(struct loop *loop, int timeout_ms);

/** Begins a connection. A connection that cannot be begun ends the program. */
void peer_open(struct loop *loop, struct peer *peer, const struct ws_target *target, const char *token,
               unsigned source);

/** Queues a message; it goes out at the end of this pass (or at loop_send()). */
void peer_send(struct peer *peer, struct slice text);

/** Sends what was queued outside a pass. */
void loop_send(struct loop *loop);

/** From now on nothing is read from it; it still sends. */
void peer_stop_reading(struct peer *peer);

void peer_close(struct peer *peer);

enum peer_preparation {
    PEERS_PLAIN,    /* no protocol: open is ready */
    PEERS_HEAR_ALL, /* a call proves that they are authorised; they receive every change */
    PEERS_HEAR_NONE /* the same, for connections that only call */
};

/**
 * Opens @count peers, some at a time, and prepares them. Returns when all are ready; ends the program when
 * one is refused, or when nothing moves for 30 s. Until then their messages are dropped; then @events get
 * them.
 */
void peers_open(struct loop *loop, struct peer *peers, size_t count, const struct ws_target *target,
                const char *token, enum peer_preparation preparation, const struct peer_events *events,
                void *context);

/** Says goodbye to all and closes them. */
void peers_close(struct peer *peers, size_t count);

/** Raises the limit of open descriptors so that @count connections fit, or ends the program. */
void loop_need_descriptors(uint64_t count);

#endif
