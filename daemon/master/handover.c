#include "daemon/master/handover.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "daemon/master/order_channel.h"
#include "daemon/master/supervisor.h"
#include "shared/base/clock.h"
#include "shared/base/http_date.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/ipc/descriptors.h"

/* ACCEPT_MOST: connections in one pass, so that the rest of the master gets its turn. PAUSE_MS: after running
 * out of descriptors or memory. */
enum { ACCEPT_MOST = FDPASS_MOST, PAUSE_MS = 100, COMPLAIN_MS = 10000 };

/* A share of the master's descriptors, and no more than OWN_MOST, is kept for its children's sockets and for
 * the control socket. */
enum { OWN_SHARE = 4, OWN_MOST = 128 };

/* The connections of one pass that go to one worker, in one packet. */
struct batch {
    struct order order;
    int descriptors[FDPASS_MOST];
};

struct handover {
    struct event_base *base;
    const struct inheritance *common;
    const struct supervisor *supervisor;
    struct event *events[LISTENER_MOST];
    size_t event_count;    /* the listeners are closed before this */
    struct event *pause;   /* accepting goes on when it fires */
    struct batch *batches; /* by slot */
    int descriptors_most;  /* one with this number is the last before it stops */
    int reserve;           /* given up to accept and close a connection when no descriptor is left */
    bool running;
    bool accepting;
    uint64_t complained_ms; /* when the last line about a shortage was written */
};

static void accept_on(struct handover *handover, bool on)
{
    if (on == handover->accepting)
        return;
    handover->accepting = on;
    for (size_t i = 0; i < handover->event_count; i++) {
        if (on)
            event_add(handover->events[i], NULL);
        else
            event_del(handover->events[i]);
    }
}

static void complain_of_accept(struct handover *handover, const char *what)
{
    int saved = errno;
    uint64_t now = clock_monotonic_ms();
    if (handover->complained_ms && now - handover->complained_ms < COMPLAIN_MS)
        return;
    handover->complained_ms = now;
    errno = saved;
    log_warning("%s: %m", what);
}

/* ---- which worker ---- */

/* Whether its descriptors have room for one more; @spare: of those that are not for clients. */
static bool handover_has_room(const struct scoreboard_worker *worker, uint32_t spare)
{
    uint32_t most = atomic_load_explicit(&worker->connections_most, memory_order_relaxed);
    return most == 0 || atomic_load_explicit(&worker->connections, memory_order_relaxed) < most + spare;
}

/* Ready, not behind with its orders, and not standing still. */
static bool keeps_up(const struct handover *handover, unsigned slot)
{
    const struct order_channel *channel = supervisor_worker_channel(handover->supervisor, slot);
    const struct scoreboard_worker *worker = &handover->common->scoreboard->worker[slot];
    return channel && atomic_load_explicit(&worker->still_ms, memory_order_relaxed) == 0 &&
           order_channel_waiting(channel) < ORDER_CHANNEL_BEHIND;
}

/* The least loaded of those that can take one. -1: none. */
static int choose_worker(const struct handover *handover, uint32_t spare)
{
    const struct scoreboard *scoreboard = handover->common->scoreboard;
    int least = -1;
    uint32_t fewest = 0;
    for (unsigned slot = 0; slot < scoreboard->workers; slot++) {
        const struct scoreboard_worker *worker = &scoreboard->worker[slot];
        uint32_t connections = atomic_load_explicit(&worker->connections, memory_order_relaxed);
        if (keeps_up(handover, slot) && handover_has_room(worker, spare) &&
            (least < 0 || connections < fewest)) {
            least = (int)slot;
            fewest = connections;
        }
    }
    return least;
}

/* Nobody will have room before a client goes: to wait for, there is nothing. */
static bool all_are_full(const struct handover *handover)
{
    const struct scoreboard *scoreboard = handover->common->scoreboard;
    for (unsigned slot = 0; slot < scoreboard->workers; slot++)
        if (!supervisor_worker_channel(handover->supervisor, slot) ||
            handover_has_room(&scoreboard->worker[slot], 0))
            return false;
    return true;
}

static void send_batch_to_worker(struct handover *handover, unsigned slot)
{
    struct batch *batch = &handover->batches[slot];
    struct order_channel *channel = supervisor_worker_channel(handover->supervisor, slot);
    uint32_t count = batch->order.count;
    if (count == 0)
        return;
    /* The worker was ready a moment ago, in this pass. */
    if (!order_channel_send(channel, &batch->order, batch->descriptors)) {
        log_debug("%u connections for worker %u are lost with it", count, slot);
        atomic_fetch_sub(&handover->common->scoreboard->worker[slot].connections, count);
    }
    batch->order.count = 0;
}

static void add_to_batch(struct handover *handover, unsigned slot, int fd, enum connection_kind kind)
{
    struct batch *batch = &handover->batches[slot];
    batch->descriptors[batch->order.count] = fd;
    batch->order.kinds[batch->order.count++] = (uint8_t)kind;
    atomic_fetch_add(&handover->common->scoreboard->worker[slot].connections, 1);
    if (batch->order.count == FDPASS_MOST)
        send_batch_to_worker(handover, slot);
}

/* True: there were some to send. */
static bool send_batches(struct handover *handover)
{
    bool some = false;
    for (unsigned slot = 0; slot < handover->common->scoreboard->workers; slot++) {
        some |= handover->batches[slot].order.count > 0;
        send_batch_to_worker(handover, slot);
    }
    return some;
}

/* ---- accepting ---- */

static uint64_t all_connections(const struct scoreboard *scoreboard)
{
    uint64_t sum = 0;
    for (unsigned slot = 0; slot < scoreboard->workers; slot++)
        sum += atomic_load_explicit(&scoreboard->worker[slot].connections, memory_order_relaxed);
    return sum;
}

static void show_shortage(struct handover *handover, bool is_short)
{
    atomic_store_explicit(&handover->common->scoreboard->short_of_descriptors, is_short,
                          memory_order_relaxed);
}

static void pause_accepting(struct handover *handover)
{
    accept_on(handover, false);
    event_add(handover->pause, &(struct timeval){.tv_usec = PAUSE_MS * 1000});
}

/* No descriptor is left: the connection that waits is accepted with the reserve and closed, so that its
 * client knows at once; then the kernel's queue holds the others for a moment. */
static void shed_waiting(struct handover *handover, int listener)
{
    complain_of_accept(handover, "connections cannot be accepted");
    show_shortage(handover, true);
    if (handover->reserve >= 0) {
        close(handover->reserve);
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            close(fd);
            atomic_fetch_add(&handover->common->scoreboard->refused, 1);
        }
        handover->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    pause_accepting(handover);
}

/* The master's own come to an end, since workers do not take what waits for them: before nothing else can be
 * done in it, it leaves the others to the kernel's queue. */
static void spare_descriptors(struct handover *handover, int fd)
{
    if (fd < handover->descriptors_most || send_batches(handover))
        return;
    errno = EMFILE;
    complain_of_accept(handover, "connections wait");
    show_shortage(handover, true);
    pause_accepting(handover);
}

static void refuse_connection(struct handover *handover, int fd, bool for_descriptors)
{
    char date[HTTP_DATE_BYTES], answer[128];
    http_date_now(date);
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 503 Service Unavailable\r\nDate: %s\r\nConnection: close\r\n"
                          "Content-Length: 0\r\n\r\n",
                          date);
    errno = for_descriptors ? EMFILE : EUSERS;
    complain_of_accept(handover, for_descriptors ? "no worker has room for more connections (RLIMIT_NOFILE)"
                                                 : "limits.connections is reached");
    show_shortage(handover, for_descriptors);
    atomic_fetch_add(&handover->common->scoreboard->refused, 1);
    ssize_t sent = send(fd, answer, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0)
        shutdown(fd, SHUT_WR);
    close(fd);
}

/* False: no more in this pass. */
static bool accept_one(struct handover *handover, int listener, uint64_t *room)
{
    int slot = choose_worker(handover, 0);
    if (slot < 0 && !all_are_full(handover)) { /* handover_resume() goes on; until then the kernel's queue
                                                  holds them */
        accept_on(handover, false);
        return false;
    }
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0 && *room > 0 && slot >= 0) {
        add_to_batch(handover, (unsigned)slot, fd, CONNECTION_CLIENT);
        --*room;
        show_shortage(handover, false);
        spare_descriptors(handover, fd);
        return handover->accepting;
    }
    if (fd >= 0) {
        refuse_connection(handover, fd, *room > 0);
        return true;
    }
    switch (errno) {
    case EMFILE:
    case ENFILE:
        shed_waiting(handover, listener);
        return false;
    case ENOBUFS:
    case ENOMEM:
        complain_of_accept(handover, "connections cannot be accepted");
        pause_accepting(handover);
        return false;
    case EAGAIN:
        return false;
    }
    return true; /* that connection has an error of its own (accept(2)): the next one */
}

static void on_listener(evutil_socket_t listener, short what, void *argument)
{
    (void)what;
    struct handover *handover = argument;
    const struct scoreboard *scoreboard = handover->common->scoreboard;
    uint64_t limit = handover->common->config->limits.connections;
    uint64_t connected = all_connections(scoreboard);
    uint64_t room = connected < limit ? limit - connected : 0;
    for (unsigned i = 0; i < ACCEPT_MOST && accept_one(handover, listener, &room); i++)
        ;
    (void)send_batches(handover);
}

static void handover_on_pause_over(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what;
    struct handover *handover = argument;
    handover_resume(handover);
}

void handover_resume(struct handover *handover)
{
    if (handover->running && !event_pending(handover->pause, EV_TIMEOUT, NULL))
        accept_on(handover, choose_worker(handover, 0) >= 0 || all_are_full(handover));
}

bool handover_control(struct handover *handover, int fd)
{
    int slot = choose_worker(handover, DESCRIPTORS_FOR_CONTROL);
    if (slot < 0)
        return false;
    add_to_batch(handover, (unsigned)slot, fd, CONNECTION_CONTROL);
    send_batch_to_worker(handover, (unsigned)slot);
    return true;
}

void handover_start(struct handover *handover)
{
    handover->running = true;
    handover_resume(handover);
}

void handover_stop(struct handover *handover)
{
    handover->running = false;
    accept_on(handover, false);
    event_del(handover->pause);
}

struct handover *handover_create(struct event_base *base, const struct inheritance *common,
                                 const struct supervisor *supervisor, struct listeners *listeners)
{
    struct handover *handover = memory_zeroed(1, sizeof *handover);
    handover->base = base;
    handover->common = common;
    handover->supervisor = supervisor;
    handover->batches = memory_zeroed(common->scoreboard->workers, sizeof *handover->batches);
    for (unsigned slot = 0; slot < common->scoreboard->workers; slot++)
        handover->batches[slot].order.type = ORDER_CONNECTIONS;
    uint32_t limit = descriptors_limit();
    handover->descriptors_most = (int)(limit - (limit / OWN_SHARE < OWN_MOST ? limit / OWN_SHARE : OWN_MOST));
    handover->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    handover->pause = event_new(base, -1, 0, handover_on_pause_over, handover);
    bool made = handover->reserve >= 0 && handover->pause;
    for (size_t i = 0; i < listeners->count; i++) {
        handover->events[i] =
            event_new(base, listeners->items[i].fd, EV_READ | EV_PERSIST, on_listener, handover);
        made = made && handover->events[i];
        handover->event_count++;
    }
    if (!made)
        handover_free(&handover);
    return handover;
}

void handover_free(struct handover **handover)
{
    struct handover *gone = *handover;
    if (!gone)
        return;
    *handover = NULL;
    for (size_t i = 0; i < gone->event_count; i++)
        if (gone->events[i])
            event_free(gone->events[i]);
    if (gone->pause)
        event_free(gone->pause);
    if (gone->reserve >= 0)
        close(gone->reserve);
    free(gone->batches);
    free(gone);
}
