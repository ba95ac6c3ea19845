#include "worker/stopping.h"

#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/base/random.h"
#include "worker/base/committer_link.h"
#include "worker/net/connection.h"
#include "worker/net/connection_close.h"
#include "worker/net/connection_hold.h"
#include "worker/net/network.h"
#include "worker/rpc/large_messages.h"
#include "worker/rpc/open_calls.h"
#include "worker/session/listening.h"

/* Clients come back within this; parts of the time allowed are for open calls and for the peers' close
 * frames. */
enum { COME_BACK_MS = 5000, TICK_MS = 50 };

struct stopping {
    uint64_t calls_until_ms;
    uint64_t look_ms; /* when to look again for open calls */
    uint64_t end_ms;
    bool closing;
    struct event tick; /* so that the loop passes while nothing happens */
};

static void stopping_on_tick(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what, (void)argument;
}

static void tell_client(struct connection *connection, void *argument)
{
    (void)argument;
    char data[64];
    if (connection->state == CONNECTION_HTTP)
        connection_close(connection, CLOSE_GOING_AWAY, NULL); /* after the answer to what it has asked */
    if (!connection->owner || connection->state != CONNECTION_OPEN)
        return;
    int length = snprintf(data, sizeof data, "{\"after_ms\":%u}", (unsigned)(random_number() % COME_BACK_MS));
    session_send(connection->owner, "reconnect", NULL, slice_of(data, (size_t)length));
}

static void say_goodbye(struct connection *connection, void *argument)
{
    (void)argument;
    if (connection->owner) {
        listening_end_all(connection->owner); /* first: an abandoned call no longer knows its listener */
        open_calls_abandon(connection->owner);
        large_messages_finish(connection->owner);
        connection_refuse_waiting(connection);
    }
    connection_close(connection, CLOSE_GOING_AWAY, "the server is stopping");
}

void stopping_turn_away(struct connection *connection)
{
    tell_client(connection, NULL);
    say_goodbye(connection, NULL);
}

static void count_calls(struct connection *connection, void *argument)
{
    const struct session *session = connection->owner;
    if (session)
        *(size_t *)argument += session->open_calls + (session->large_message != NULL);
}

/* Asks every connection, so not in every pass: when the tick has come. */
static bool calls_are_open(struct worker *worker)
{
    size_t calls = 0;
    if (committer_link_waiting(worker->link))
        return true;
    network_each(worker->network, count_calls, &calls);
    return calls > 0;
}

void stopping_begin(struct worker *worker)
{
    static const struct timeval tick = {.tv_usec = TICK_MS * 1000};
    if (worker->stopping)
        return;
    struct stopping *stopping = memory_zeroed(1, sizeof *stopping);
    uint64_t now_ms = clock_monotonic_ms();
    worker->stopping = stopping;
    stopping->calls_until_ms = now_ms + worker->config->stop_timeout_ms / 2;
    stopping->end_ms = now_ms + worker->config->stop_timeout_ms * 8 / 10;
    stopping->look_ms = now_ms;
    network_each(worker->network, tell_client, NULL);
    event_assign(&stopping->tick, worker->base, -1, EV_PERSIST, stopping_on_tick, NULL);
    (void)event_add(&stopping->tick, &tick);
}

void stopping_step(struct worker *worker)
{
    struct stopping *stopping = worker->stopping;
    if (!stopping || !worker->running)
        return;
    uint64_t now_ms = clock_monotonic_ms();
    if (!stopping->closing && now_ms >= stopping->look_ms) {
        stopping->look_ms = now_ms + TICK_MS;
        stopping->closing = now_ms >= stopping->calls_until_ms || !calls_are_open(worker);
        if (!stopping->closing)
            return;
        network_each(worker->network, say_goodbye, NULL);
    }
    if (stopping->closing && (network_connections(worker->network) == 0 || now_ms >= stopping->end_ms))
        worker->running = false;
}

void stopping_free(struct worker *worker)
{
    if (!worker->stopping)
        return;
    event_del(&worker->stopping->tick);
    free(worker->stopping);
    worker->stopping = NULL;
}
