#include "worker/net/timers.h"

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "worker/net/connection_close.h"
#include "worker/net/connection_pings.h"
#include "worker/net/network_state.h"

enum {
    TICKS_AN_INTERVAL = 100, /* wanted, of pings */
    TICK_LEAST_MS = 10,
    TICK_MOST_MS = 100,
    DEADLINE_SLOTS = 128,
};

struct timers {
    struct event *timer;
    uint32_t tick_ms;
    bool running;
    uint32_t seen_tick; /* deadlines up to this tick were looked at */
    struct connection_list deadlines[DEADLINE_SLOTS];
    struct network *network;
    size_t ping_slots; /* 0: no pings */
    size_t ping_now;   /* slot of the last tick */
    size_t ping_deal;  /* slot that the next connection gets */
    struct connection_list pings[];
};

static uint32_t now_ms(void)
{
    return (uint32_t)clock_monotonic_ms();
}

/* Connections of one slot: those whose time has come, the others are due a turn of the wheel later. */
static void expire_slot(struct connection_list *slot, uint32_t now)
{
    struct connection *connection = LIST_FIRST(slot), *next;
    for (; connection; connection = next) {
        next = LIST_NEXT(connection, timed);
        if ((int32_t)(now - connection->deadline_ms) >= 0)
            connection_expired(connection);
    }
}

static void expire_deadlines(struct timers *timers)
{
    uint32_t now = now_ms(), tick = now / timers->tick_ms;
    uint32_t passed = tick - timers->seen_tick;
    if (passed > DEADLINE_SLOTS)
        passed = DEADLINE_SLOTS;
    for (uint32_t i = 0; i < passed; i++)
        expire_slot(&timers->deadlines[(tick - i) % DEADLINE_SLOTS], now);
    timers->seen_tick = tick;
}

static void ping_slot(struct timers *timers)
{
    if (timers->ping_slots == 0)
        return;
    timers->ping_now = (timers->ping_now + 1) % timers->ping_slots;
    struct connection *connection = LIST_FIRST(&timers->pings[timers->ping_now]), *next;
    for (; connection; connection = next) {
        next = LIST_NEXT(connection, wheel);
        connection_ping(connection);
    }
}

static void timers_on_tick(evutil_socket_t fd, short what, void *argument)
{
    (void)fd;
    (void)what;
    struct timers *timers = argument;
    struct network *network = timers->network;
    network_enter(network);
    expire_deadlines(timers);
    ping_slot(timers);
    network_leave(network); /* may stop the timer */
}

struct timers *timers_create(struct event_base *base, struct network *network, uint64_t ping_interval_ms)
{
    uint64_t tick = ping_interval_ms / TICKS_AN_INTERVAL;
    if (tick > TICK_MOST_MS || ping_interval_ms == 0)
        tick = TICK_MOST_MS;
    if (tick < TICK_LEAST_MS)
        tick = TICK_LEAST_MS;
    size_t slots = (size_t)(ping_interval_ms / tick);
    if (slots == 0 && ping_interval_ms > 0)
        slots = 1;
    struct timers *timers = memory_zeroed(1, sizeof *timers + slots * sizeof timers->pings[0]);
    timers->network = network;
    timers->tick_ms = (uint32_t)tick;
    timers->ping_slots = slots;
    timers->timer = event_new(base, -1, EV_PERSIST, timers_on_tick, timers);
    if (!timers->timer)
        log_fatal("the timer of the connections could not be made");
    return timers;
}

void timers_free(struct timers **timers)
{
    if (!*timers)
        return;
    event_free((*timers)->timer);
    free(*timers);
    *timers = NULL;
}

void timers_run(struct timers *timers, bool run)
{
    if (run == timers->running)
        return;
    timers->running = run;
    const struct timeval tick = {.tv_usec = (suseconds_t)timers->tick_ms * 1000};
    timers->seen_tick = now_ms() / timers->tick_ms;
    int failed = run ? event_add(timers->timer, &tick) : event_del(timers->timer);
    if (failed)
        log_fatal("the timer of the connections could not be %s", run ? "started" : "stopped");
}

void timers_deadline(struct timers *timers, struct connection *connection, uint64_t after_ms)
{
    if (connection->deadline_ms)
        LIST_REMOVE(connection, timed);
    connection->deadline_ms = 0;
    if (after_ms == 0)
        return;
    if (after_ms > INT32_MAX / 2)
        after_ms = INT32_MAX / 2;
    uint32_t deadline = now_ms() + (uint32_t)after_ms;
    connection->deadline_ms = deadline ? deadline : 1; /* 0 means none */
    /* The tick after it: when a slot is looked at, what lies in it has passed. */
    uint32_t slot = (connection->deadline_ms / timers->tick_ms + 1) % DEADLINE_SLOTS;
    LIST_INSERT_HEAD(&timers->deadlines[slot], connection, timed);
}

void timers_ping_start(struct timers *timers, struct connection *connection)
{
    if (timers->ping_slots == 0)
        return;
    timers->ping_deal = (timers->ping_deal + 1) % timers->ping_slots;
    LIST_INSERT_HEAD(&timers->pings[timers->ping_deal], connection, wheel);
}

void timers_ping_stop(struct timers *timers, struct connection *connection)
{
    if (timers->ping_slots > 0)
        LIST_REMOVE(connection, wheel);
}
