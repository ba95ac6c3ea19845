#ifndef CLIENT_BENCH_LOOP_H
#define CLIENT_BENCH_LOOP_H

#include "client/bench/bench.h"
#include "client/c/ws_client.h"

/*
 * One thread, one epoll, many connections ("peers"). Made so that the tool costs less than what it measures:
 * all peers read into the same memory, what is queued for a peer goes out in one write at the end of a pass,
 * and the clock is read once for each read.
 */

struct peer;

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

/** Puts a peer in the list of those with something to send. */
void loop_queue(struct loop *loop, struct peer *peer);

/** Sends what was queued outside a pass. */
void loop_send(struct loop *loop);

/** Raises the limit of open descriptors so that @count connections fit, or ends the program. */
void loop_need_descriptors(uint64_t count);

#endif
