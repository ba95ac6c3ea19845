#ifndef WORKER_NET_NETWORK_STATE_H
#define WORKER_NET_NETWORK_STATE_H

#include "worker/base/work.h"
#include "worker/net/address_table.h"
#include "worker/net/connection.h"
#include "worker/net/network.h"
#include "worker/net/timers.h"
#include "worker/output/output_plan.h"

/* What stands behind `struct network`, for network.c, the files connection_*.c, http/http.c and timers.c.
 * Nobody else includes this, except tests in which time passes. */

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

/* Lines in the log about them, see refused_origin.h. */
struct refused_origins {
    uint64_t since_ms; /* start of the minute in which ->lines are counted */
    uint64_t unsaid;
    unsigned lines;
};

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
    uint64_t half_read;           /* bytes of what has come in part, of all in ->all but local control */
    uint64_t strangers_half_read; /* of those that have not logged in */
    uint64_t ahead;               /* bytes that messages take which wait in ->ahead of all in ->all */
    bool ahead_pauses;            /* some are not read because that is much */
    unsigned full;                /* of these, with ->full */
    unsigned heads;               /* of these, in CONNECTION_HANDSHAKE */
    unsigned depth;               /* callbacks running inside each other */

    /* A connection is in ->ready (something may have to be written), or in ->current (written to up to
     * the end of the backlog), or in neither (blocked, or not open). When the backlog grows all of
     * ->current is put after ->ready at once, and ->stamp changes: so who was in ->current is now
     * known to be in ->ready. */
    struct connection_queue_head ready, current;
    uint32_t stamp;
    unsigned fresh;     /* connections that got a first reply since the last flush, about */
    uint64_t refused;   /* connections over limits.connections */
    uint64_t warned_ms; /* when that was last said */
    struct refused_origins refused_origins;
    uint64_t dropped_first; /* the last @first of network_backlog_drops() */

    struct buffer scratch;   /* the frame being made */
    struct output_plan plan; /* the write being made */
    char read_buffer[READ_BYTES];
};

static inline void network_set_state(struct connection *connection, enum connection_state state)
{
    struct network *network = connection->network;
    network->heads += (state == CONNECTION_HANDSHAKE);
    network->heads -= (connection->state == CONNECTION_HANDSHAKE);
    connection->state = (uint8_t)state;
}

#endif
