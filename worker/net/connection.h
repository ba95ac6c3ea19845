#ifndef WORKER_NET_CONNECTION_H
#define WORKER_NET_CONNECTION_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "shared/base/close_code.h"
#include "shared/config/config.h"
#include "shared/ipc/orders.h"
#include "worker/net/frame.h"
#include "worker/net/handshake.h"
#include "worker/output/backlog.h"
#include "worker/output/output.h"

/*
 * One connection: what it is made of, and what is sent on it. An idle one must stay under a kilobyte in all.
 * What its owner further does to it is in connection_close.h, connection_hold.h, connection_pings.h and
 * connection_write.h; all connections of a worker are in network.h.
 */

struct network;
struct connection;
struct http_exchange;
struct read_ahead;

/* What a client may leave unread before connection_may_send() says no (or a quarter of the queue's limit). */
enum { CONNECTION_UNREAD_BYTES = 128 * 1024 };

enum { CONNECTION_NETWORK = 9 }; /* bytes, of connection_network() */

enum connection_state {
    CONNECTION_HANDSHAKE, /* waiting for the head of a request: the first, or the next one over HTTP */
    CONNECTION_HTTP,      /* from that head to the end of its answer, when it is no handshake */
    CONNECTION_OPEN,      /* WebSocket */
    CONNECTION_CLOSING,   /* our close frame (or a refusal) is queued; what comes is thrown away */
    CONNECTION_LINGER,    /* everything is written and shut down; waiting for the peer's end, bounded */
    CONNECTION_DEAD, /* closed() was called and the descriptor is closed; freed at the end of the callback */
};

struct connection {
    LIST_ENTRY(connection) all;
    TAILQ_ENTRY(connection) queue; /* when ->queued: of those to write to, or of those that are up to date */
    LIST_ENTRY(connection) wheel;  /* its slot of the ping wheel, while open */
    LIST_ENTRY(connection) timed;  /* its slot of the deadlines, when ->deadline_ms */
    struct network *network;
    struct event event; /* read, or read and write while the kernel's buffer is full */
    int fd;
    uint32_t up_to_date;  /* when ->queued and equal to the network's: in the list of those up to date */
    uint32_t deadline_ms; /* low bits of monotonic ms, for handshake, authorisation, closing; 0: none */
    uint16_t close_code;  /* of our close frame, 0: none */
    uint16_t port;        /* of ->address */
    uint8_t state;        /* enum connection_state */
    uint8_t kind;         /* enum connection_kind */
    uint8_t armed;        /* what ->event waits for: EV_READ, EV_WRITE */
    uint8_t missed_pongs;
    uint8_t family;  /* AF_INET, AF_INET6, AF_UNIX */
    bool opened : 1; /* opened() was called */
    bool authorized : 1;
    bool ping_due : 1;       /* the message, as soon as nothing else is queued */
    bool counted_behind : 1; /* among those the scoreboard says are catching up */
    bool queued : 1;
    bool blocked : 1;   /* the kernel's buffer is full: waiting for EV_WRITE */
    bool eof : 1;       /* the peer sends no more, and we still have to write */
    bool paused : 1;    /* not reading: more than enough of the next request over HTTP is there */
    bool held : 1;      /* the owner takes no messages: those that come wait in ->ahead */
    bool full : 1;      /* ->held, and not reading: as much waits as may */
    bool judged : 1;    /* by whether it takes bytes: since the last ping its pong may have waited */
    bool held_back : 1; /* ->reader or ->head has bytes that came before a pause and were not looked at */
    bool
        log_in_first : 1; /* not reading: whether a message may be so long is known when a log-in has ended */
    bool peer_done : 1;   /* it has closed: while we are open only answers to its calls are waited for */
    bool close_urgent : 1; /* the close frame is the last of the urgent ones, not of the replies */
    uint8_t close_rounds;  /* further deadlines that the closing got */
    uint32_t unread;    /* at the last one: bytes that the peer had not taken; and what was written since */
    uint32_t unasked;   /* bytes of what was sent without a call since the queue of replies was empty last */
    uint32_t half_read; /* bytes counted in the network's sums */
    uint32_t strange_since_s; /* the owner's: start of the minute in which ->strange_calls are counted */
    uint32_t strange_calls;   /* on this connection, before somebody has logged in */
    uint32_t pongs_waiting;
    struct read_ahead *ahead;    /* messages that wait while ->held, and after these until they are given */
    struct frame_reader *reader; /* borrowed while a message is incomplete */
    struct buffer *head;         /* bytes of an incomplete head, or of what follows a request over HTTP */
    struct http_exchange *http;  /* in CONNECTION_HTTP */
    struct buffer *late_pong;    /* the newest pong beyond limits.pongs; takes the place of those before it */
    struct output output;
    void *owner; /* network_events' own: its session of this connection */
    uint8_t address[16];
};

/** Queues a text message (JSON without header) that nobody has asked for. When there is more than
 * limits.reply_queue_bytes of these: closed with 1008 "too slow". */
void connection_send(struct connection *connection, struct slice message, uint64_t after_seq);

/** Queues complete frames of such. */
void connection_send_frames(struct connection *connection, struct slice frames, uint64_t after_seq);

/** The same with the answer to a call, or a part of it, whatever waits already: who makes answers looks at
 * connection_is_read() before. */
void connection_answer(struct connection *connection, struct slice message, uint64_t after_seq);
void connection_answer_frames(struct connection *connection, struct slice frames, uint64_t after_seq);

/** A call has ended that was open: what logs_in() said may be different now. */
void connection_log_in_ended(struct connection *connection);

/** Must be authorised within limits.authorize_ms, else closed with 1008; called off with true. Then a ping is
 * queued that says from where on changes come: what the client sees is decided before. */
void connection_authorized(struct connection *connection, bool authorized);

/* For the other files of worker/net/. */

static inline bool connection_alive(const struct connection *connection)
{
    return connection->state != CONNECTION_DEAD;
}

/** Waits for what the connection's flags say (paused, blocked, eof). */
void connection_arm(struct connection *connection);

/** The socket's callback. */
void connection_event(evutil_socket_t fd, short what, void *argument);

/** Bytes of replies that may wait for it. */
uint64_t connection_reply_limit(const struct connection *connection);

/** Keeps bytes that are looked at later, after those that are kept already. */
void connection_keep(struct connection *connection, struct slice bytes);

/** Frees what the connection keeps of what came and of what is to be sent. */
void connection_forget(struct connection *connection);

#endif
