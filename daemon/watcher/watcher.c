/*
 * Welcome to the watcher: the one process that knows what lies in the declared directories.
 *
 * Workers tell it over their links (worker_link.c) to which of them somebody listens. It watches these, and no
 * others (watched.c), keeps the table of their files (shared/watch/file_table.h), and tells the workers what
 * has changed in it. While nobody listens there is no watch and no timer, and it sleeps.
 *
 * The master gives it orders (shared/ipc/orders.h): a link to a new worker, the end. It may be killed at any
 * moment: it stores nothing, and begins with whole directories.
 */
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "daemon/watcher/watched.h"
#include "daemon/watcher/worker_link.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/ipc/fdpass.h"
#include "shared/ipc/inheritance.h"
#include "shared/ipc/orders.h"

/* What one pass of the loop does at most, some milliseconds in all. */
enum { LOOKS_A_PASS = 256, BYTES_A_PASS = 256 * 1024, FORGET_A_PASS = 1024, FREE_A_PASS = 1024 };

struct watcher {
    const struct inheritance *inheritance;
    const struct config *config;
    struct scoreboard_watcher *row;
    struct event_base *base;
    struct event orders, hangup, check, due, log;
    struct watched *watched; /* for each declared directory */
    size_t directories;
    struct worker_link *links; /* for each worker */
    unsigned workers;
    unsigned turn; /* the link that is written to first */
    struct file_table *graves;
    uint64_t cpu_ns;
    bool running;
};

/* ---- the master ---- */

static void report(const struct watcher *watcher, enum order_type type, unsigned slot)
{
    struct order order = {.type = type, .slot = slot};
    if (!fdpass_send(watcher->inheritance->order_channel, &order, sizeof order, NULL, 0))
        log_warning("the master takes no report: %m");
}

static void close_link(struct watcher *watcher, struct worker_link *link)
{
    if (link->fd >= 0)
        worker_link_close(link, watcher->watched, watcher->directories, &watcher->graves);
}

static void follow_order(struct watcher *watcher, const struct order *order, const int *descriptors,
                         size_t count)
{
    if (order->type == ORDER_WATCH_LINK && count == 1 && order->slot < watcher->workers) {
        struct worker_link *link = &watcher->links[order->slot];
        close_link(watcher, link);
        worker_link_open(link, watcher->base, order->slot, descriptors[0], watcher->directories);
        return;
    }
    for (size_t i = 0; i < count; i++)
        close(descriptors[i]);
    if (order->type == ORDER_STOP)
        watcher->running = false;
    else
        log_error("an order of type %u is not for the watcher", order->type);
}

static void on_order(evutil_socket_t fd, short what, void *argument)
{
    (void)what;
    struct watcher *watcher = argument;
    struct order order = {0};
    int descriptors[FDPASS_MOST];
    size_t count = 0;
    ssize_t length = fdpass_receive(fd, &order, sizeof order, descriptors, &count);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length < 0 && errno == EBADMSG) {
        log_warning("a link to worker %u is lost: no more descriptors are available (RLIMIT_NOFILE)",
                    order.slot);
        report(watcher, REPORT_WATCH_LINK_LOST, order.slot);
        return;
    }
    if (length == (ssize_t)sizeof order) {
        follow_order(watcher, &order, descriptors, count);
        return;
    }
    log_error("the master is gone: stopping");
    event_del(&watcher->orders);
    watcher->running = false;
}

/* ---- the loop ---- */

static void on_hangup(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what, (void)argument;
    log_reopen();
}

/* Only wakes the loop, each pass of which does what is due. */
static void on_wake(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what, (void)argument;
}

static void on_check(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what;
    struct watcher *watcher = argument;
    for (size_t i = 0; i < watcher->directories; i++)
        if (watcher->watched[i].table)
            watched_check(&watcher->watched[i]);
}

static void read_links(struct watcher *watcher)
{
    for (unsigned i = 0; i < watcher->workers; i++) {
        struct worker_link *link = &watcher->links[i];
        if (link->fd >= 0 && link->readable_now)
            worker_link_read(link, watcher->watched, watcher->directories, &watcher->graves);
        if (link->fd < 0 || !link->ended)
            continue;
        close_link(watcher, link);
        report(watcher, REPORT_WATCH_LINK_LOST, i);
    }
}

static bool step_directories(struct watcher *watcher)
{
    uint64_t now_ms = clock_monotonic_ms();
    bool more = false;
    for (size_t i = 0; i < watcher->directories; i++)
        if (watcher->watched[i].table)
            more |= watched_step(&watcher->watched[i], now_ms, LOOKS_A_PASS / watcher->directories + 1);
    return more;
}

static bool write_links(struct watcher *watcher)
{
    bool more = false;
    for (unsigned i = 0; i < watcher->workers; i++) {
        struct worker_link *link = &watcher->links[(watcher->turn + i) % watcher->workers];
        if (link->fd >= 0)
            more |= worker_link_write(link, watcher->watched, watcher->directories,
                                      BYTES_A_PASS / watcher->workers);
    }
    watcher->turn = watcher->workers ? (watcher->turn + 1) % watcher->workers : 0;
    return more;
}

/* What has gone and all links were told of. */
static void forget_gone(struct watcher *watcher, size_t directory)
{
    struct file_table *table = watcher->watched[directory].table;
    uint64_t least = UINT64_MAX;
    if (file_table_gone(table) == 0)
        return;
    for (unsigned i = 0; i < watcher->workers; i++) {
        const struct worker_link *link = &watcher->links[i];
        if (link->fd < 0 || !link->listening[directory].listens)
            continue;
        if (link->listening[directory].cursor < least)
            least = link->listening[directory].cursor;
    }
    file_table_forget(table, least, FORGET_A_PASS);
}

/* Once a second there is a look at the directories that are listened to, and no timer without one. */
static void set_timers(struct watcher *watcher)
{
    static const struct timeval second = {.tv_sec = 1}, retry = {.tv_usec = LOG_RETRY_MS * 1000};
    uint64_t due_ms = UINT64_MAX, now_ms = clock_monotonic_ms(), files = 0, looks = 0;
    unsigned listened = 0, watches = 0;
    for (size_t i = 0; i < watcher->directories; i++) {
        const struct watched *watched = &watcher->watched[i];
        looks += watched->looked;
        if (!watched->table)
            continue;
        forget_gone(watcher, i);
        listened++;
        watches += watched->inotify >= 0;
        files += file_table_count(watched->table);
        if (watched_due_ms(watched) < due_ms)
            due_ms = watched_due_ms(watched);
    }
    atomic_store(&watcher->row->directories, listened);
    atomic_store(&watcher->row->watches, watches);
    atomic_store(&watcher->row->files, files);
    atomic_store(&watcher->row->looks, looks);
    if (listened == 0)
        event_del(&watcher->check);
    else if (!event_pending(&watcher->check, EV_TIMEOUT, NULL))
        event_add(&watcher->check, &second);
    event_del(&watcher->due);
    if (due_ms != UINT64_MAX) {
        uint64_t wait_ms = due_ms > now_ms ? due_ms - now_ms : 0;
        struct timeval wait = {.tv_sec = (time_t)(wait_ms / 1000),
                               .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000)};
        event_add(&watcher->due, &wait);
    }
    if (log_waits() && !event_pending(&watcher->log, EV_TIMEOUT, NULL))
        event_add(&watcher->log, &retry);
}

static uint64_t cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

static void count_pass(struct watcher *watcher)
{
    uint64_t now_ns = cpu_ns(), pass_us = (now_ns - watcher->cpu_ns) / 1000;
    atomic_fetch_add_explicit(&watcher->row->cpu_us, pass_us, memory_order_relaxed);
    if (pass_us > atomic_load_explicit(&watcher->row->largest_pass_cpu_us, memory_order_relaxed))
        atomic_store_explicit(&watcher->row->largest_pass_cpu_us, pass_us, memory_order_relaxed);
    watcher->cpu_ns = now_ns;
    atomic_fetch_add_explicit(&watcher->row->loops, 1, memory_order_relaxed);
}

/* True: there is more to do. */
static bool watcher_pass(struct watcher *watcher)
{
    read_links(watcher);
    bool more = step_directories(watcher);
    more |= write_links(watcher);
    file_table_free_some(&watcher->graves, FREE_A_PASS);
    set_timers(watcher);
    log_flush();
    count_pass(watcher);
    return more || watcher->graves;
}

static void run(struct watcher *watcher)
{
    bool more = true;
    while (watcher->running) {
        bool idle = !more && atomic_load(&watcher->row->directories) == 0;
        atomic_store(&watcher->row->idle, idle);
        if (event_base_loop(watcher->base, more ? EVLOOP_ONCE | EVLOOP_NONBLOCK : EVLOOP_ONCE) < 0)
            log_fatal("the event loop has failed");
        atomic_store(&watcher->row->idle, false);
        more = watcher_pass(watcher);
    }
}

static void watcher_open(struct watcher *watcher, const struct inheritance *inheritance)
{
    watcher->inheritance = inheritance;
    watcher->config = inheritance->config;
    watcher->row = &inheritance->scoreboard->watcher;
    watcher->workers = inheritance->scoreboard->workers;
    watcher->directories = watcher->config->directory_count;
    watcher->running = true;
    watcher->base = event_base_new();
    if (!watcher->base)
        log_fatal("the event loop cannot be set up");
    watcher->links = memory_zeroed(watcher->workers, sizeof *watcher->links);
    for (unsigned i = 0; i < watcher->workers; i++)
        watcher->links[i].fd = -1;
    watcher->watched = memory_zeroed(watcher->directories, sizeof *watcher->watched);
    for (unsigned i = 0; i < watcher->directories; i++)
        watched_init(&watcher->watched[i], watcher->config, i, watcher->base);
    event_assign(&watcher->orders, watcher->base, inheritance->order_channel, EV_READ | EV_PERSIST, on_order,
                 watcher);
    event_assign(&watcher->hangup, watcher->base, SIGHUP, EV_SIGNAL | EV_PERSIST, on_hangup, watcher);
    event_assign(&watcher->check, watcher->base, -1, EV_PERSIST, on_check, watcher);
    event_assign(&watcher->due, watcher->base, -1, 0, on_wake, watcher);
    event_assign(&watcher->log, watcher->base, -1, 0, on_wake, watcher);
    if (event_add(&watcher->orders, NULL) || event_add(&watcher->hangup, NULL))
        log_fatal("the event loop cannot be set up");
}

static void watcher_close(struct watcher *watcher)
{
    struct event *const events[] = {&watcher->orders, &watcher->hangup, &watcher->check, &watcher->due,
                                    &watcher->log};
    for (unsigned i = 0; i < watcher->workers; i++)
        close_link(watcher, &watcher->links[i]);
    file_table_free(&watcher->graves);
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        event_del(events[i]);
    free(watcher->links);
    free(watcher->watched);
    event_base_free(watcher->base);
}

int watcher_main(const struct inheritance *inheritance)
{
    struct watcher watcher = {0};
    watcher_open(&watcher, inheritance);
    report(&watcher, REPORT_READY, 0);
    run(&watcher);
    watcher_close(&watcher);
    return 0;
}
