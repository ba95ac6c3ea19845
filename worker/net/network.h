#ifndef WORKER_NET_NETWORK_H
#define WORKER_NET_NETWORK_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/config/config.h"
#include "shared/ipc/orders.h"
#include "worker/net/connection.h"
#include "worker/net/handshake.h"
#include "worker/output/backlog.h"

/*
 * Connections of one worker: reading, handshake, frames, pings, close handshake, and writing what output.h
 * decides; and HTTP (http.h) on those that do not ask for WebSocket. What a message means is not known here:
 * the owner registers struct network_events. The owner's loop is
 *
 *   event_base_loop(ONCE) ... take in the ring ... network_flush()
 *
 * where network_flush() writes to connections that have something, a bounded number of them, and says whether
 * more is to be done (the loop then polls without blocking). An idle connection must stay under a kilobyte in
 * all.
 */

struct address_counts;
struct http_call;
struct scoreboard_worker;
struct work;

struct network_events {
    /** Whether the owner may be given what comes from clients now; else they are read in a later pass of the
     * loop. May be NULL. */
    bool (*ready)(void *context);
    /** Whether anything may be written now, within a pass: not while it is unknown who may see what. NULL:
     * yes. */
    bool (*may_write)(void *context);
    /** The handshake is complete and the 101 is queued; set ->owner. */
    void (*opened)(void *context, struct connection *connection, const struct handshake *handshake);
    /** A whole message. The connection may be closed or paused in it; the rest then waits or is thrown
     * away. */
    void (*message)(void *context, struct connection *connection, struct slice message, bool binary);
    /** The connection has come to its end: nothing is sent on it any more. Called once if opened() was, never
     * from within a function of this header that was given the connection (they only begin to close). */
    void (*closed)(void *context, struct connection *connection);
    /** output_wants_refill(): queue more with output_refill(), or rejoin, or send resync; output_at_hold():
     * output_insert() or output_release(). May be NULL. */
    void (*refill)(void *context, struct connection *connection);
    /** A message that is not taken although it came: it stood for long in a window that was full. */
    void (*refused)(void *context, struct connection *connection, struct slice message);
    /** Whether calls are open that end with an answer and nothing more: when the client closes it is sent
     * these, if it does not take too long. May be NULL. */
    bool (*owes)(void *context, const struct connection *connection);
    /** connection_is_read() has become true again: what waited for that may go on. May be NULL. */
    void (*drained)(void *context, struct connection *connection);
    /** Whether a call is open that may be a log-in. NULL: there is no such. */
    bool (*logs_in)(void *context, const struct connection *connection);
    /** Bytes of a message, or of a request's content, that was given and that the owner has not got to: they
     * count as if it had come in part. NULL: there is no such. */
    size_t (*keeps)(void *context, const struct connection *connection);
    /** Whether a token is one of somebody who has logged in, as of now. NULL: none is. */
    bool (*knows)(void *context, struct slice token);
    /** A whole HTTP request for a method; set ->owner. It is answered now or later with http_respond(). NULL:
     * there is no HTTP here. */
    void (*request)(void *context, struct connection *connection, const struct http_call *call);
    /** The end of it: its answer is written, or the client has gone (or was too slow) before. Called once for
     * each request(), never from within a function that was given the connection. */
    void (*finished)(void *context, struct connection *connection);
};

struct network_options {
    const struct config *config; /* limits, origins, ping interval; kept */
    struct backlog *backlog;
    struct work *work;      /* what a pass may spend; NULL: there is no bound */
    bool text_only;         /* binary: 1003 */
    bool application_pings; /* {"operation":"ping",...} with each WebSocket ping, and at authorization */
    uint64_t epoch;         /* that is said in them */
    bool any_path;
    struct scoreboard_worker *score;       /* NULL: nothing is counted */
    struct address_counts *address_counts; /* all workers'; NULL: there is no other worker */
    unsigned slot;                         /* this worker's row in it */
};

/** Timers (ping wheel, deadlines) are events of @base. */
struct network *network_create(struct event_base *base, const struct network_options *options,
                               const struct network_events *events, void *context);
void network_free(struct network **network);

/** Takes over an accepted descriptor (non-blocking or not). Over limits.connections or
 * connections_per_address (at all workers; the addresses of an IPv6 /64 count as one): closed. */
void network_add(struct network *network, int fd, enum connection_kind kind);

/** The backlog has grown: every connection that was up to date is queued for writing, at constant cost. */
void network_backlog_grew(struct network *network);

/** Before backlog frames are dropped: connections behind @first fall behind (output_fall_behind()).
 * Looks at every connection, but at a given @first only once; at what they do not see, as far as there
 * is work left. */
void network_backlog_drops(struct network *network, uint64_t first);

/** Writes to queued connections in turn, at most @most of them, until no work is left, but a few in any case:
 * what was used up by steps of calls must not hold up the answers to others. True: some are queued still. */
bool network_flush(struct network *network, unsigned most);

/** Bytes of what has come on all connections and is not taken yet: messages, requests and heads in part (but
 * not over the control socket), and messages that wait. */
uint64_t network_waiting_bytes(const struct network *network);

/** Each open connection in turn, and each within an HTTP exchange (->owner is NULL before request()), not
 * those that shake hands or close; @each may close them. */
void network_each(struct network *network, void (*each)(struct connection *, void *), void *argument);

/** Connections that are owed something: all but those that wait for the head of a request. */
unsigned network_connections(const struct network *network);

/** All of them, for tests. */
unsigned network_descriptors(const struct network *network);

/** Frame readers lent to connections in the middle of a message, for tests. */
size_t network_readers(const struct network *network);

/* For the other files of worker/net/. */

/** Around everything that may end connections: the dead are freed when the outermost leaves. */
void network_enter(struct network *network);
void network_leave(struct network *network);

/** Whether the owner is ready for what comes, and work is left for that in this pass. */
bool network_takes_calls(const struct network *network);

#endif
