#ifndef TESTS_UNIT_NET_NETWORK_WORLD_H
#define TESTS_UNIT_NET_NETWORK_WORLD_H

#include "shared/base/buffer.h"
#include "shared/config/config.h"
#include "worker/net/connection.h"
#include "worker/net/network.h"

/* A network with a real event base, the test holding the other ends of socket pairs as its clients. */

enum { WORLD_PEERS = 32 };

#define WORLD_HANDSHAKE                                                                                      \
    "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                           \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

struct world {
    struct event_base *base;
    struct config config;
    struct config_collection collection;
    struct backlog *backlog;
    struct network *network;
    struct buffer seen;      /* "opened message(hello) closed " and so on */
    struct connection *last; /* the connection of the last opened or message; NULL after its end */
    void (*on_message)(struct world *world, struct connection *connection, struct slice message);
    void (*on_refill)(struct world *world, struct connection *connection);
    void (*on_closed)(struct world *world, struct connection *connection);
    void (*on_request)(struct world *world, struct connection *connection);
    bool owes, holds_writes; /* what the network is told when it asks */
    unsigned opened, messages, closed, drained, requests, finished;
    uint64_t seq;
    struct viewer_table *viewers; /* these two after world_watch() */
    struct viewer *viewer;
};

/** A client: its end of a socket pair, and what came on it (or was written to it with peer_read()). */
struct peer {
    int fd;
    struct buffer bytes;
    bool ended; /* the server shut down or closed */
};

/** Fills ->config with bounds that no test reaches by chance, for the test to change before world_open(). */
void world_prepare(struct world *world);
void world_open(struct world *world, const struct network_options *options);
/** Closes everything; says whether each opened() had its closed(), and each request() its finished(). */
void world_close(struct world *world);

/** Makes ->viewer, who sees all of the collection with this number. It ends with the world. */
void world_watch(struct world *world, unsigned collection);

/** The next change, of collection 0: a frame with @text is in the backlog, and the network knows. */
void world_append(struct world *world, const char *text);

/** One pass of the loop as a worker makes it, without waiting. */
void world_turn(struct world *world);
/** Passes until @condition is true of @argument; fails after some seconds. */
void world_until(struct world *world, bool (*condition)(void *argument), void *argument);

/** A new connection; with @shake its handshake is done and the answer taken. */
void peer_open(struct world *world, struct peer *peer, bool shake);
void peer_close(struct peer *peer);
void peer_send(struct peer *peer, struct slice bytes);
/** Sends one masked frame. */
void peer_send_frame(struct peer *peer, unsigned first, struct slice payload);
/** Takes in at most @most bytes of what has come. */
void peer_read(struct peer *peer, size_t most);
/** Passes until nothing more comes. */
void peer_settle(struct world *world, struct peer *peer);
/** What came is exactly @expected; forgets it. */
void peer_expect(struct world *world, struct peer *peer, struct slice expected);
/** The same, and then the server's end of the connection. */
void peer_expect_end(struct world *world, struct peer *peer, struct slice expected);

/** ->seen is exactly @expected; forgets it. */
void world_expect(struct world *world, const char *expected);

#endif
