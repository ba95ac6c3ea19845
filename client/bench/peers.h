#ifndef CLIENT_BENCH_PEERS_H
#define CLIENT_BENCH_PEERS_H

#include "client/bench/peer.h"

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

#endif
