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
struct network;
struct connection;
struct scoreboard_worker;
struct http_call;
struct http_exchange;
struct read_ahead;

/* What a client may leave unread before connection_may_send() says no (or a quarter of the queue's limit). */
enum { CONNECTION_UNREAD_BYTES = 128 * 1024 };

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
    struct read_ahead *ahead;    /* messages that wait while ->held, and behind these until they are given */
    struct frame_reader *reader; /* borrowed while a message is incomplete */
    struct buffer *head;         /* bytes of an incomplete head, or of what follows a request over HTTP */
    struct http_exchange *http;  /* in CONNECTION_HTTP */
    struct buffer *late_pong;    /* the newest pong beyond limits.pongs; takes the place of those before it */
    struct output output;
    void *owner; /* network_events' own: its session of this connection */
    uint8_t address[16];
};

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

/** Writes to queued connections in turn, at most @most of them, until no work is left, but a few in any case: what
 * was used up by steps of calls must not hold up the answers to others. True: some are queued still. */
[[gnu::warn_unused_result]] bool network_flush(struct network *network, unsigned most);

/** Queues a text message (JSON without header) that nobody has asked for. When there is more than
 * limits.reply_queue_bytes of these: closed with 1008 "too slow". */
void connection_send(struct connection *connection, struct slice message, uint64_t after_seq);

/** Queues complete frames of such. */
void connection_send_frames(struct connection *connection, struct slice frames, uint64_t after_seq);

/** The same with the answer to a call, or a part of it, whatever waits already: who makes answers looks at
 * connection_is_read() before. */
void connection_answer(struct connection *connection, struct slice message, uint64_t after_seq);
void connection_answer_frames(struct connection *connection, struct slice frames, uint64_t after_seq);

/** Whether the client has not left much unread: otherwise its next calls wait. */
bool connection_is_read(const struct connection *connection);

/** Whether what the client has not read of its private queue is little enough to make more of it, and the
 * client has not closed: a job asks before each piece, and when it is told no, waits for drained() (or
 * closed()). */
bool connection_may_send(const struct connection *connection);

/** Over HTTP: the exchange is the last on its connection; a request that has not come whole is answered with
 * 503. Otherwise begins the close handshake (RFC 6455 section 7). What is queued before goes out first, and
 * so do the changes up to now, except with code 1008: of a client that broke the rules only the answers are
 * waited for. Nothing when it is closing already. */
void connection_close(struct connection *connection, uint16_t code, const char *reason);

/** Codes of RFC 6455, 7.4.1, and its registry: something went wrong here; come back, here or elsewhere. */

/** Begins the close handshake at once: what is queued is not sent, and if it closes already, only its close
 * frame is. */
void connection_cut(struct connection *connection, uint16_t code, const char *reason);

/** Gives no messages, or goes on with that (back-pressure on calls). Meanwhile what comes is read up to
 * limits.read_ahead_bytes and kept, of all connections together up to a quarter of limits.worker_calls_bytes;
 * beyond that the connection is not read, and when it stands so for
 * 10 s what is kept is given to refused(). */
void connection_hold(struct connection *connection, bool hold);

/** Gives what waits to refused(), before the connection is closed: nobody will take it. */
void connection_refuse_waiting(struct connection *connection);

/** A call has ended that was open: what logs_in() said may be different now. */
void connection_log_in_ended(struct connection *connection);

/** The owner has got to what it kept. */
void connection_keeps_nothing(struct connection *connection);

/** Bytes of what has come on all connections and is not taken yet: messages, requests and heads in part, and
 * messages that wait. */
uint64_t network_waiting_bytes(const struct network *network);

/** Once a second: refuses what has stood for too long. */
void network_refuse_standing(struct network *network);

/** Puts the connection in the queue of those to write to. */
void connection_queue(struct connection *connection);

/** Must be authorised within limits.authorize_ms, else closed with 1008; called off with true. Then a ping is
 * queued that says from where on changes come: what the client sees is decided before. */
void connection_authorized(struct connection *connection, bool authorized);

/** A ping with the number up to which the connection is complete is sent as soon as that is known. */
void connection_ping_is_due(struct connection *connection);

/**
 * Before something goes out that is made of what was there after change @seq, among changes with lower
 * numbers: the client is told by a ping without a number, unless it has been since it last was complete. The
 * ping is appended to @frames, for who puts these in front; NULL: it is queued in front of all later changes.
 */
void connection_unsettle(struct connection *connection, uint64_t seq, struct buffer *frames);

/** "192.0.2.1:4711", "[2001:db8::1]:4711" or "local". */
const char *connection_address(const struct connection *connection, char text[64]);

/** The bytes that stand for where the client is, for counts: of an IPv6 client its /64 network. */
enum { CONNECTION_NETWORK = 9 };
void connection_network(const struct connection *connection, char network[CONNECTION_NETWORK]);

/** Each open connection in turn, and each within an HTTP exchange (->owner is NULL before request()), not
 * those that shake hands or close; @each may close them. */
void network_each(struct network *network, void (*each)(struct connection *, void *), void *argument);

/** Connections that are owed something: all but those that wait for the head of a request. */
unsigned network_connections(const struct network *network);

/** All of them, for tests. */
unsigned network_descriptors(const struct network *network);

/** Frame readers lent to connections in the middle of a message, for tests. */
size_t network_readers(const struct network *network);

#endif
