#ifndef WORKER_NET_NETWORK_INTERNAL_H
#define WORKER_NET_NETWORK_INTERNAL_H

#include "worker/net/address_table.h"
#include "worker/net/connection.h"
#include "worker/net/http/http_request.h"
#include "worker/net/timers.h"
#include "worker/output/output_plan.h"

/* What network.c, the files connection_*.c, http/http.c and timers.c share. Nobody else includes this, except
 * tests in which time passes. */

enum {
    READ_BYTES = 65536,   /* one read of one connection in one pass */
    WRITE_BYTES = 262144, /* one write, about */
    CLOSE_MS = 5000,      /* for answers to one that has closed; for it to take some of what is left */
    CLOSE_ROUNDS = 12,    /* so often one that has taken some gets this time again */
    MISSED_PONGS_MOST = 3,
    STANDS_MS = 10000,         /* in a full window, until it is refused */
    FRESH_MOST = 256,          /* connections with a first reply between two flushes */
    SCRATCH_KEPT = 256 * 1024, /* bytes, of the frame being made, from one pass to the next */
    WARN_EVERY_MS = 10000,     /* that connections are refused */
    CONTROL_BOUNDS = 16,       /* a control session's message and reply bounds are so many times larger */
    CONTROL_MESSAGE = 16 * 1024 * 1024, /* and its messages may have at least so many bytes */
};

LIST_HEAD(connection_list, connection);
TAILQ_HEAD(connection_queue_head, connection);

struct network {
    struct event_base *base;
    struct network_options options;
    struct network_events events;
    void *context;
    struct handshake_options handshake;
    struct frame_pool *frames;
    struct address_table *addresses;
    struct timers *timers;

    struct connection_list all;   /* alive */
    struct connection_list dead;  /* to be freed when no callback is running */
    unsigned count;               /* in ->all */
    uint64_t half_read;           /* bytes of what has come in part, of all in ->all */
    uint64_t strangers_half_read; /* of those that have not logged in */
    uint64_t ahead;               /* bytes that messages take which wait in ->ahead of all in ->all */
    bool ahead_pauses;            /* some are not read because that is much */
    unsigned full;                /* of these, with ->full */
    unsigned heads;               /* of these, in CONNECTION_HANDSHAKE */
    unsigned depth;               /* callbacks running inside each other */

    /* A connection is in ->ready (something may have to be written), or in ->current (written to up to
     * the end of the backlog), or in neither (blocked, or not open). When the backlog grows all of
     * ->current is put behind ->ready at once, and ->stamp changes: so who was in ->current is now
     * known to be in ->ready. */
    struct connection_queue_head ready, current;
    uint32_t stamp;
    unsigned fresh;         /* connections that got a first reply since the last flush, about */
    uint64_t refused;       /* connections over limits.connections */
    uint64_t warned_ms;     /* when that was last said */
    uint64_t dropped_first; /* the last @first of network_backlog_drops() */

    struct buffer scratch;   /* the frame being made */
    struct output_plan plan; /* the write being made */
    char read_buffer[READ_BYTES];
};

/** Around everything that may end connections: the dead are freed when the outermost leaves. */
void network_enter(struct network *network);
void network_leave(struct network *network);

static inline bool connection_alive(const struct connection *connection)
{
    return connection->state != CONNECTION_DEAD;
}

static inline void connection_become(struct connection *connection, enum connection_state state)
{
    struct network *network = connection->network;
    network->heads += (state == CONNECTION_HANDSHAKE);
    network->heads -= (connection->state == CONNECTION_HANDSHAKE);
    connection->state = (uint8_t)state;
}

/* connection.c */
/** Waits for what the connection's flags say (paused, blocked, eof). */
void connection_arm(struct connection *connection);
/** The socket's callback. */
void connection_event(evutil_socket_t fd, short what, void *argument);

/** Bytes of replies that may wait for it. */
uint64_t connection_reply_limit(const struct connection *connection);

/** Keeps bytes that are looked at later, behind those that are kept already. */
void connection_keep(struct connection *connection, struct slice bytes);

/* connection_hold.c */
/** Whether it is not read because of what waits in ->ahead. Keeps ->full. */
bool connection_is_full(struct connection *connection);
/** Whether what waits of all connections is as much as may: then those whose calls wait are read only while
 * none of theirs does, and all of them little at once. */
bool network_ahead_is_much(const struct network *network);
/** Reads again those that were not because of that, when it is not so much any more. */
void network_read_on(struct network *network);
/** Whether the owner is ready for what comes, and work is left for that in this pass. */
bool network_takes_calls(const struct network *network);
/** A message has come: it is given, or waits. */
void connection_take_message(struct connection *connection, struct slice message, bool binary);
/** Gives what waits, as long as the owner takes it. */
void connection_give_ahead(struct connection *connection);
/** Nobody will take what waits. */
void connection_forget_ahead(struct connection *connection);

/* connection_half_read.c */
/** Bytes that one message may have. */
uint64_t connection_message_most(const struct connection *connection);
/** Whether a message of more than that may be one of somebody who has logged in when it is taken: it is
 * behind what may be a log-in. */
bool connection_may_have_more(const struct connection *connection, uint64_t bytes);
/** Counts what it holds of what has come in part, after that has changed. False: it is of one that has not
 * logged in, and all of these hold too much. */
[[gnu::warn_unused_result]] bool connection_count_half_read(struct connection *connection);
/** Bytes that its owner was given and has not got to. */
size_t connection_kept_by_owner(const struct connection *connection);
/** It holds nothing any more, or is counted anew as another's. */
void connection_uncount_half_read(struct connection *connection);

/* network.c */
/** Frees what the connection keeps of what came and of what is to be sent. */
void connection_forget(struct connection *connection);

/* http/http.c */
/** The head of a request that is no handshake has come, and @rest behind it. */
void http_begin(struct connection *connection, const struct http_request *request, struct slice rest);
/** More bytes of the request, or behind it. */
void http_feed(struct connection *connection, struct slice bytes);
/** Writes once what there is of the answer. */
void http_write(struct connection *connection);
/** Bytes of the request's content that have come. */
size_t http_content_bytes(const struct connection *connection);
/** The peer sends no more. */
void http_peer_ended(struct connection *connection);
/** The exchange is the last one here. */
void http_close(struct connection *connection);
/** The deadline has passed. */
void http_expired(struct connection *connection);
/** The connection has gone: the exchange ends as it is. */
void http_gone(struct connection *connection);

/* connection_close.c */
/** Ends the connection at once: calls closed(), closes the descriptor; it is freed later. */
void connection_gone(struct connection *connection);
/** The answer to a bad handshake is the last thing said. */
void connection_refuse(struct connection *connection, struct slice response);
/** The frames are not to be understood: close with @code and read no more. */
void connection_fail(struct connection *connection, uint16_t code);
/** The peer's close frame came. */
void connection_peer_closed(struct connection *connection, uint16_t code);
/** The peer sends no more. */
void connection_peer_ended(struct connection *connection);
/** Of one that has closed: closes, too, unless answers to its calls are still to come. */
void connection_settle(struct connection *connection);
/** All that is to be said is written: shuts down our side, and waits for the peer's end. */
void connection_linger(struct connection *connection);
/** The deadline has passed. */
void connection_expired(struct connection *connection);
/** From here on it is counted what the peer takes. */
void connection_mark_unread(struct connection *connection);
/** Whether it has taken some since, or there is nothing for it to take; and marks again. */
[[nodiscard]] bool connection_has_taken(struct connection *connection);

/* connection_write.c */
/** Takes the connection out of both queues. */
void connection_unqueue(struct connection *connection);
/** Writes once; then queues it, waits for room, or notes that it is up to date. */
void connection_write(struct connection *connection);
/** After whatever may have made it fall behind the backlog or rejoin it: for the scoreboard. */
void connection_count_behind(struct connection *connection);

/* connection_pings.c */
/** Its time has come. */
void connection_ping(struct connection *connection);
/** A pong has come. */
void connection_ponged(struct connection *connection);
/** Queues the message `ping`. */
void connection_ping_say(struct connection *connection);
/** Whether one is due that may be made now, before the next write. */
bool connection_ping_waits(const struct connection *connection);
/** Makes that. */
void connection_ping_late(struct connection *connection);
void connection_pong_send(struct connection *connection, struct slice payload);
/** After a write: the pong that had no room. */
void connection_pong_late(struct connection *connection);

#endif
