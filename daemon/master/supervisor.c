#include "daemon/master/supervisor.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "daemon/master/child.h"
#include "daemon/master/child_fork.h"
#include "daemon/master/child_link.h"
#include "daemon/master/order_channel.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"

/* How long a child may take until it reports ready, or for a piece of what it has to do before that. The
 * first committer has start_timeout_ms: it may have to rebuild collections. */
enum { READY_WORKER_MS = 20000, READY_COMMITTER_MS = 60000 };

enum { BACKOFF_FIRST_MS = 100 };

struct supervisor {
    struct event_base *base;
    const struct inheritance *common;
    int family_lock;
    const struct supervisor_callbacks *callbacks;
    void *context;
    bool started; /* everything was ready once */
    bool stopping;
    struct event *stop_timer;
    uint64_t ticked_ms; /* monotonic; 0: never */
    unsigned worker_count;
    bool watches; /* there is a watcher */
    struct child committer;
    struct child watcher;
    struct child *workers;
};

static void start_child(struct child *child);

uint64_t supervisor_backoff_ms(unsigned failures)
{
    if (failures <= 1)
        return 0;
    uint64_t wait = BACKOFF_FIRST_MS;
    for (unsigned i = 2; i < failures && wait < SUPERVISOR_BACKOFF_MOST_MS; i++)
        wait *= 2;
    return wait < SUPERVISOR_BACKOFF_MOST_MS ? wait : SUPERVISOR_BACKOFF_MOST_MS;
}

static struct timeval interval_of_ms(uint64_t value)
{
    return (struct timeval){.tv_sec = (time_t)(value / 1000), .tv_usec = (suseconds_t)(value % 1000 * 1000)};
}

static void set_timer(struct event *timer, uint64_t wait_ms)
{
    struct timeval wait = interval_of_ms(wait_ms);
    if (event_add(timer, &wait) != 0)
        log_fatal("a timer cannot be set");
}

/* The worker gets what it has no link to. */
static void link_worker(struct supervisor *supervisor, struct child *worker)
{
    child_link(worker, &supervisor->committer);
    if (supervisor->watches)
        child_link(worker, &supervisor->watcher);
}

static void link_workers(struct supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->worker_count; i++)
        link_worker(supervisor, &supervisor->workers[i]);
}

/* ---- what children report ---- */

static bool all_are_ready(const struct supervisor *supervisor)
{
    if (supervisor->watches && supervisor->watcher.state != PROCESS_READY)
        return false;
    for (unsigned i = 0; i < supervisor->worker_count; i++)
        if (supervisor->workers[i].state != PROCESS_READY)
            return false;
    return true;
}

static void start_missing(struct child *child)
{
    if (!child->pid && !event_pending(child->timer, EV_TIMEOUT, NULL))
        start_child(child);
}

/* The committer is ready. */
static void start_others(struct supervisor *supervisor)
{
    if (supervisor->watches)
        start_missing(&supervisor->watcher);
    for (unsigned i = 0; i < supervisor->worker_count; i++)
        start_missing(&supervisor->workers[i]);
}

static void child_ready(struct child *child)
{
    struct supervisor *supervisor = child->supervisor;
    if (child->state != PROCESS_STARTING)
        return;
    event_del(child->timer);
    child_set_state(child, PROCESS_READY);
    log_info("%s (process %d) is ready", child->name, (int)child->pid);
    if (child->reopen_owed)
        kill(child->pid, SIGHUP);
    child->reopen_owed = false;
    if (supervisor->stopping)
        return;
    if (child->role == CHILD_COMMITTER)
        start_others(supervisor);
    if (child->role == CHILD_WORKER)
        supervisor->callbacks->workers_changed(supervisor->context);
    else
        link_workers(supervisor);
    if (!supervisor->started && all_are_ready(supervisor)) {
        supervisor->started = true;
        supervisor->callbacks->started(supervisor->context);
    }
}

/* The other end is closed, or will be replaced with this one. supervisor_tick() makes another. */
static void link_lost(struct supervisor *supervisor, unsigned slot, enum child_role server)
{
    if (slot < supervisor->worker_count)
        child_link_forget(&supervisor->workers[slot], server);
}

static void on_report(void *context, const struct order *report)
{
    struct child *child = context;
    unsigned slot = child->role == CHILD_WORKER ? child->slot : report->slot;
    switch (report->type) {
    case REPORT_READY:
        child_ready(child);
        return;
    case REPORT_FAILED:
        snprintf(child->last_words, sizeof child->last_words, "%.*s", ORDER_TEXT, report->text);
        if (child->supervisor->started)
            log_error("%s: %s", child->name, child->last_words);
        return;
    case REPORT_LINK_LOST:
        link_lost(child->supervisor, slot, CHILD_COMMITTER);
        return;
    case REPORT_WATCH_LINK_LOST:
        link_lost(child->supervisor, slot, CHILD_WATCHER);
        return;
    case REPORT_STOP_REQUESTED:
        log_notice("%s asks for an orderly stop on behalf of a client", child->name);
        child->supervisor->callbacks->stop_requested(child->supervisor->context);
        return;
    }
    log_error("%s sent a report of unknown type %u", child->name, report->type);
}

static void on_drained(void *context)
{
    struct child *child = context;
    if (child->role == CHILD_WORKER)
        child->supervisor->callbacks->workers_changed(child->supervisor->context);
}

static const struct order_channel_callbacks channel_callbacks = {on_report, on_drained};

/* ---- start, death, start again ---- */

static uint64_t ready_within_ms(const struct child *child)
{
    if (child->role != CHILD_COMMITTER)
        return READY_WORKER_MS;
    return child->supervisor->started ? READY_COMMITTER_MS
                                      : child->supervisor->common->config->start_timeout_ms;
}

static void try_again_later(struct child *child)
{
    child->failures++;
    uint64_t wait_ms = supervisor_backoff_ms(child->failures);
    if (wait_ms > 0)
        log_notice("%s starts again in %u ms", child->name, (unsigned)wait_ms);
    set_timer(child->timer, wait_ms);
}

static int (*main_of(const struct child *child))(const struct inheritance *)
{
    switch (child->role) {
    case CHILD_COMMITTER:
        return committer_main;
    case CHILD_WATCHER:
        return watcher_main;
    case CHILD_WORKER:
        break;
    }
    return worker_main;
}

static void start_child(struct child *child)
{
    struct supervisor *supervisor = child->supervisor;
    struct inheritance inheritance = *supervisor->common;
    inheritance.slot = child->slot;
    struct child_start start = {.name = child->name,
                                .main = main_of(child),
                                .family_lock = supervisor->family_lock,
                                .urgent = child->role == CHILD_COMMITTER};
    int end = -1;
    pid_t pid = child_fork(&start, &inheritance, &end);
    if (pid < 0) {
        log_error("%s cannot be started: %m", child->name);
        try_again_later(child);
        return;
    }
    child->pid = pid;
    child->linked = child->watch_linked = false;
    child->reopen_owed = false;
    child->last_words[0] = '\0';
    child->started_ms = clock_monotonic_ms();
    child->channel = order_channel_create(supervisor->base, end, &channel_callbacks, child);
    if (!child->channel)
        log_fatal("%s: its order channel cannot be watched", child->name);
    child_set_state(child, PROCESS_STARTING);
    child->start_passes = 0;
    set_timer(child->timer, ready_within_ms(child));
    if (child->role == CHILD_WORKER)
        link_worker(supervisor, child);
}

/* False: it is not ready in time, and gets no further. */
static bool give_time(struct child *child)
{
    uint64_t passes = child_passes(child);
    bool waits = stall_waits_for_disk(child);
    if (waits || passes != child->start_passes) {
        if (waits)
            log_warning("%s (process %d) is not ready yet: it waits for the disk", child->name,
                        (int)child->pid);
        child->start_passes = passes;
        set_timer(child->timer, ready_within_ms(child));
        return true;
    }
    snprintf(child->last_words, sizeof child->last_words,
             "%s (process %d) is not ready, has got no further in %u s, and is killed", child->name,
             (int)child->pid, (unsigned)(ready_within_ms(child) / 1000));
    log_error("%s", child->last_words);
    return false;
}

static void on_child_timer(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what;
    struct child *child = argument;
    if (child->pid) {
        if (!give_time(child))
            kill(child->pid, SIGKILL);
        return;
    }
    if (child->supervisor->stopping)
        return;
    if (child->supervisor->started)
        atomic_fetch_add(&child->supervisor->common->scoreboard->restarts, 1);
    start_child(child);
}

static void stop_servers(struct supervisor *supervisor);

static void after_death(struct child *child)
{
    struct supervisor *supervisor = child->supervisor;
    if (supervisor->stopping) {
        stop_servers(supervisor);
        return;
    }
    if (!supervisor->started) {
        supervisor->callbacks->failed(supervisor->context, child->last_words);
        return;
    }
    if (clock_monotonic_ms() - child->started_ms >= SUPERVISOR_SOUND_MS)
        child->failures = 0;
    try_again_later(child);
    if (child->role == CHILD_WORKER)
        supervisor->callbacks->workers_changed(supervisor->context);
}

static void child_died(struct child *child, int status)
{
    char cause[128];
    child_end_cause(status, cause, sizeof cause);
    order_channel_read(child->channel); /* its last words may still be there */
    bool expected = child->state == PROCESS_STOPPING && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!child->last_words[0])
        snprintf(child->last_words, sizeof child->last_words, "%s (process %d) %s", child->name,
                 (int)child->pid, cause);
    if (child->supervisor->started)
        log_line(expected ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "%s (process %d) %s", child->name,
                 (int)child->pid, cause);
    child->pid = 0;
    order_channel_free(&child->channel);
    event_del(child->timer);
    child_clear_row(child);
    child_set_state(child, PROCESS_NONE);
    child->linked = child->watch_linked = false;
    for (unsigned i = 0; child->role != CHILD_WORKER && i < child->supervisor->worker_count; i++)
        child_link_forget(&child->supervisor->workers[i], child->role);
    after_death(child);
}

static struct child *find_child(struct supervisor *supervisor, pid_t pid)
{
    if (supervisor->committer.pid == pid)
        return &supervisor->committer;
    if (supervisor->watcher.pid == pid)
        return &supervisor->watcher;
    for (unsigned i = 0; i < supervisor->worker_count; i++)
        if (supervisor->workers[i].pid == pid)
            return &supervisor->workers[i];
    return NULL;
}

void supervisor_reap(struct supervisor *supervisor)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct child *child = find_child(supervisor, pid);
        if (child)
            child_died(child, status);
    }
}

void supervisor_start(struct supervisor *supervisor)
{
    start_child(&supervisor->committer);
}

/* ---- the rest of a child's life ---- */

void supervisor_reopen_logs(struct supervisor *supervisor)
{
    child_reopen_log(&supervisor->committer);
    if (supervisor->watches)
        child_reopen_log(&supervisor->watcher);
    for (unsigned i = 0; i < supervisor->worker_count; i++)
        child_reopen_log(&supervisor->workers[i]);
}

/* A worker that goes on can take connections again. */
static void look_for_stalls(struct supervisor *supervisor)
{
    uint64_t now = clock_monotonic_ms();
    uint64_t passed_ms = supervisor->ticked_ms ? now - supervisor->ticked_ms : 0;
    uint64_t timeout_ms = supervisor->common->config->stall_timeout_ms;
    bool one_goes_on = false;
    supervisor->ticked_ms = now;
    (void)stall_look(&supervisor->committer, passed_ms, timeout_ms);
    (void)stall_look(&supervisor->watcher, passed_ms, timeout_ms);
    for (unsigned i = 0; i < supervisor->worker_count; i++)
        one_goes_on |= stall_look(&supervisor->workers[i], passed_ms, timeout_ms) == STALL_GOES_ON;
    if (one_goes_on)
        supervisor->callbacks->workers_changed(supervisor->context);
}

void supervisor_tick(struct supervisor *supervisor)
{
    look_for_stalls(supervisor);
    if (!supervisor->stopping)
        link_workers(supervisor);
}

struct order_channel *supervisor_worker_channel(const struct supervisor *supervisor, unsigned slot)
{
    if (slot >= supervisor->worker_count || supervisor->workers[slot].state != PROCESS_READY)
        return NULL;
    return supervisor->workers[slot].channel;
}

static unsigned running_workers(const struct supervisor *supervisor)
{
    unsigned running = 0;
    for (unsigned i = 0; i < supervisor->worker_count; i++)
        running += supervisor->workers[i].pid != 0;
    return running;
}

/* Those stop that workers are linked with, when nobody can give them anything any more. */
static void stop_servers(struct supervisor *supervisor)
{
    struct child *const servers[] = {&supervisor->committer, &supervisor->watcher};
    bool runs = false, told = false;
    if (running_workers(supervisor) > 0)
        return;
    for (unsigned i = 0; i < sizeof servers / sizeof *servers; i++) {
        runs |= servers[i]->pid != 0;
        if (!servers[i]->pid || servers[i]->state == PROCESS_STOPPING)
            continue;
        child_stop(servers[i]);
        told = true;
    }
    if (told)
        set_timer(supervisor->stop_timer, supervisor->common->config->stop_timeout_ms);
    if (runs)
        return;
    event_del(supervisor->stop_timer);
    supervisor->callbacks->stopped(supervisor->context);
}

static void on_stop_timer(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what;
    struct supervisor *supervisor = argument;
    for (unsigned i = 0; i < supervisor->worker_count; i++)
        child_kill_late(&supervisor->workers[i]);
    child_kill_late(&supervisor->committer);
    child_kill_late(&supervisor->watcher);
}

void supervisor_stop(struct supervisor *supervisor)
{
    if (supervisor->stopping)
        return;
    supervisor->stopping = true;
    for (unsigned i = 0; i < supervisor->worker_count; i++)
        child_stop(&supervisor->workers[i]);
    event_del(supervisor->committer.timer);
    event_del(supervisor->watcher.timer);
    set_timer(supervisor->stop_timer, supervisor->common->config->stop_timeout_ms);
    stop_servers(supervisor);
}

void supervisor_kill(struct supervisor *supervisor)
{
    supervisor->stopping = true;
    for (unsigned i = 0; i < supervisor->worker_count; i++)
        child_kill(&supervisor->workers[i]);
    child_kill(&supervisor->committer);
    child_kill(&supervisor->watcher);
}

static void init_child(struct supervisor *supervisor, struct child *child, enum child_role role)
{
    child->supervisor = supervisor;
    child->role = role;
    child->scoreboard = supervisor->common->scoreboard;
    child->timer = event_new(supervisor->base, -1, 0, on_child_timer, child);
    if (!child->timer)
        log_fatal("out of memory");
}

struct supervisor *supervisor_create(struct event_base *base, const struct inheritance *common,
                                     int family_lock, const struct supervisor_callbacks *callbacks,
                                     void *context)
{
    struct supervisor *supervisor = memory_zeroed(1, sizeof *supervisor);
    supervisor->base = base;
    supervisor->common = common;
    supervisor->family_lock = family_lock;
    supervisor->callbacks = callbacks;
    supervisor->context = context;
    supervisor->stop_timer = event_new(base, -1, 0, on_stop_timer, supervisor);
    if (!supervisor->stop_timer)
        log_fatal("out of memory");
    supervisor->worker_count = common->scoreboard->workers;
    supervisor->workers = memory_zeroed(supervisor->worker_count, sizeof *supervisor->workers);
    supervisor->watches = common->scoreboard->watches;
    snprintf(supervisor->committer.name, sizeof supervisor->committer.name, "committer");
    init_child(supervisor, &supervisor->committer, CHILD_COMMITTER);
    snprintf(supervisor->watcher.name, sizeof supervisor->watcher.name, "watcher");
    init_child(supervisor, &supervisor->watcher, CHILD_WATCHER);
    for (unsigned i = 0; i < supervisor->worker_count; i++) {
        supervisor->workers[i].slot = i;
        snprintf(supervisor->workers[i].name, sizeof supervisor->workers[i].name, "worker %u", i);
        init_child(supervisor, &supervisor->workers[i], CHILD_WORKER);
    }
    return supervisor;
}

void supervisor_free(struct supervisor **supervisor)
{
    struct supervisor *gone = *supervisor;
    if (!gone)
        return;
    *supervisor = NULL;
    child_release(&gone->committer);
    child_release(&gone->watcher);
    for (unsigned i = 0; i < gone->worker_count; i++)
        child_release(&gone->workers[i]);
    event_free(gone->stop_timer);
    free(gone->workers);
    free(gone);
}
