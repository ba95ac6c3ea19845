#include "daemon/master/master.h"

#include <errno.h>
#include <event2/event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/master/control.h"
#include "daemon/master/daemonize.h"
#include "daemon/master/data_directory.h"
#include "daemon/master/handover.h"
#include "daemon/master/listener.h"
#include "daemon/master/pid_file.h"
#include "daemon/master/priority.h"
#include "daemon/master/privileges.h"
#include "daemon/master/process_title.h"
#include "daemon/master/rates.h"
#include "daemon/master/service_user.h"
#include "daemon/master/signals.h"
#include "daemon/master/supervisor.h"
#include "shared/base/clock.h"
#include "shared/base/first_user.h"
#include "shared/base/log.h"
#include "shared/base/random.h"
#include "shared/ipc/status.h"

enum {
    LINE = DATA_DIRECTORY_MESSAGE,
    ORPHAN_WAIT_EXTRA_MS = 6000
}; /* a line: nobody who is asked writes a longer one */

/* How far the stop has come. */
enum stopping { RUNNING, STOPPING_ORDERLY, STOPPED };

struct master {
    const struct config *config;
    struct service_user user; /* that we become */
    struct data_directory data;
    struct listeners listeners;
    char control_path[4096];
    int control_fd;
    struct pid_file pid_file;
    bool log_is_open;
    struct inheritance common; /* what all children inherit */
    struct event_base *base;
    struct signals signals;
    struct supervisor *supervisor;
    struct handover *handover;
    struct control *control;
    struct event *sampler;
    struct event *log; /* some of it could not be written yet */
    struct rates rates;
    bool ready;
    enum stopping stopping;
    int exit_status;
};

/* One line where the person who started it sees it, and in the log if that is somewhere else. */
static void say_failure(struct master *master, const char *line)
{
    bool to_stderr = strcmp(master->config->log, "stderr") == 0;
    if (master->log_is_open && !to_stderr)
        log_error("%s", line);
    if (master->config->foreground)
        fprintf(stderr, "dispatchd: %s\n", line);
    else
        daemonize_failed(line);
    master->exit_status = 1;
}

/* A log elsewhere is not seen by the person who started it for the first time. */
static void print_first_user(const struct master *master)
{
    char line[FIRST_USER_LINE];
    const struct config *config = master->config;
    bool seen = config->foreground && strcmp(config->log, "stderr") == 0;
    if (seen || !atomic_load(&master->common.scoreboard->worker[0].no_user))
        return;
    first_user_hint(config->control, line, sizeof line);
    fprintf(stderr, "dispatchd: %s\n", line);
}

/* ---- before privileges are dropped ---- */

static unsigned count_workers(const struct config *config)
{
    uint64_t count = config->workers;
    cpu_set_t cpus;
    if (count == 0 && sched_getaffinity(0, sizeof cpus, &cpus) == 0)
        count = (uint64_t)CPU_COUNT(&cpus);
    if (count == 0)
        count = 1;
    return count > RING_WORKERS ? RING_WORKERS : (unsigned)count;
}

/* Each connection is a descriptor: take what the system gives. Children inherit it. */
static void raise_descriptor_limit(const struct config *config)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < config->limits.connections)
        log_notice("a process may have %llu descriptors, fewer than limits.connections (%llu)",
                   (unsigned long long)limit.rlim_max, (unsigned long long)config->limits.connections);
}

static bool open_log(struct master *master, char *line)
{
    const struct config *config = master->config;
    bool as_root = service_user_begin(&master->user, config->log);
    master->log_is_open = log_open(config->log, config->log_level);
    if (!master->log_is_open)
        snprintf(line, LINE, "log: %.300s: %s", config->log, strerror(errno));
    service_user_end(&master->user);
    if (master->log_is_open && as_root && !log_give(master->user.uid, master->user.gid))
        log_warning("the log %s cannot be given to %s: %m", config->log, config->user);
    return master->log_is_open;
}

static bool open_pid_file(struct master *master, char *line)
{
    const struct config *config = master->config;
    (void)service_user_begin(&master->user, config->pid_file ? config->pid_file : "/");
    bool opened = pid_file_open(&master->pid_file, config->pid_file, line);
    service_user_end(&master->user);
    return opened;
}

static bool name_control_socket(struct master *master, char *line)
{
    const struct config *config = master->config;
    int length =
        config->control && config->control[0]
            ? snprintf(master->control_path, sizeof master->control_path, "%s", config->control)
            : snprintf(master->control_path, sizeof master->control_path, "%s/control", config->data);
    if (length > 0 && (size_t)length < sizeof master->control_path)
        return true;
    snprintf(line, LINE, "control: the path is too long");
    return false;
}

static bool claim_names(struct master *master, char *line)
{
    const struct config *config = master->config;
    struct service_user *user = &master->user;
    user->name = config->user;
    if (!privileges_find(config->user, &user->uid, &user->gid, line) ||
        !data_directory_open(config->data, user, config->stop_timeout_ms + ORPHAN_WAIT_EXTRA_MS,
                             &master->data, line) ||
        !listeners_bind(&master->listeners, config->listen, config->listen_count, line) ||
        !name_control_socket(master, line))
        return false;
    master->control_fd = control_bind(master->control_path, config->control_mode, user, line);
    return master->control_fd >= 0 && open_log(master, line) && open_pid_file(master, line);
}

/* LISTENER_MOST names with quotes and commas fit. */
static void share_names(struct master *master)
{
    char *listen = master->common.scoreboard->listen;
    size_t used = 0;
    for (size_t i = 0; i < master->listeners.count; i++)
        used += (size_t)snprintf(listen + used, SCOREBOARD_LISTEN - used, "%s\"%s\"", i ? "," : "",
                                 master->listeners.items[i].name);
}

static bool make_shared(struct master *master, char *line)
{
    const struct config *config = master->config;
    unsigned workers = count_workers(config);
    raise_descriptor_limit(config);
    master->common.config = config;
    master->common.order_channel = -1;
    master->common.epoch = random_epoch();
    master->common.scoreboard = scoreboard_create(workers);
    master->common.ring = ring_create(config->ring_bytes);
    if (master->common.scoreboard) {
        master->common.scoreboard->addresses = address_counts_create(workers, config->limits.connections);
        master->common.scoreboard->presence = presence_create(workers, config->limits.connections);
    }
    if (master->common.scoreboard && master->common.scoreboard->addresses &&
        master->common.scoreboard->presence && master->common.ring &&
        ring_wakeup_open(master->common.ring, workers)) {
        master->common.scoreboard->watches = config->directory_count > 0;
        share_names(master);
        atomic_store(&master->common.scoreboard->master_pid, (int32_t)getpid());
        return true;
    }
    snprintf(line, LINE, "shared memory of %llu bytes for the change ring cannot be allocated: %s",
             (unsigned long long)config->ring_bytes, strerror(errno));
    return false;
}

/* ---- while it runs ---- */

static void stop_master(struct master *master)
{
    if (master->stopping != RUNNING)
        return;
    log_notice("stopping");
    master->stopping = STOPPING_ORDERLY;
    handover_stop(master->handover);
    listeners_close(&master->listeners);
    supervisor_stop(master->supervisor);
}

static void on_started(void *context)
{
    struct master *master = context;
    char line[LINE];
    if (!listeners_listen(&master->listeners, line) || !pid_file_write(&master->pid_file, line)) {
        say_failure(master, line);
        stop_master(master);
        return;
    }
    for (size_t i = 0; i < master->listeners.count; i++)
        log_notice("listening on %s", master->listeners.items[i].name);
    master->ready = true;
    handover_start(master->handover);
    print_first_user(master);
    daemonize_ready();
}

static void on_failed(void *context, const char *line)
{
    struct master *master = context;
    if (master->exit_status == 0)
        say_failure(master, line);
    stop_master(master);
}

static void on_workers_changed(void *context)
{
    struct master *master = context;
    handover_resume(master->handover);
}

static void on_stop_requested(void *context)
{
    stop_master(context);
}

static void on_stopped(void *context)
{
    struct master *master = context;
    master->stopping = STOPPED;
}

static const struct supervisor_callbacks supervisor_callbacks = {
    on_started, on_failed, on_workers_changed, on_stop_requested, on_stopped,
};

static void on_status(void *context, struct buffer *out)
{
    struct master *master = context;
    status_append(out, master->common.scoreboard, master->common.ring);
}

static bool on_session(void *context, int fd)
{
    struct master *master = context;
    return master->stopping == RUNNING && handover_control(master->handover, fd);
}

static const struct control_callbacks control_callbacks = {on_status, on_stop_requested, on_session};

/* All processes have the same file and are the same user: where the master cannot open it, nobody can, and it
 * is said once. */
static void reopen_logs(struct master *master)
{
    if (!log_reopen())
        return;
    supervisor_reopen_logs(master->supervisor);
    log_notice("the log was opened again");
}

static void master_on_signal(void *context, enum signals_kind kind, int number)
{
    struct master *master = context;
    switch (kind) {
    case SIGNALS_CHILD:
        supervisor_reap(master->supervisor);
        return;
    case SIGNALS_REOPEN:
        reopen_logs(master);
        return;
    case SIGNALS_STOP:
        if (master->stopping == RUNNING) {
            log_notice("%s", strsignal(number));
            stop_master(master);
        } else if (master->stopping == STOPPING_ORDERLY) {
            log_warning("%s again: every process is killed", strsignal(number));
            supervisor_kill(master->supervisor);
            master->exit_status = 1;
            master->stopping = STOPPED;
        }
        return;
    }
}

static void on_sample(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what;
    struct master *master = argument;
    rates_sample(&master->rates, master->common.scoreboard, clock_monotonic_ms());
    rates_share(&master->rates, master->common.scoreboard);
    supervisor_tick(master->supervisor);
}

/* Only wakes the loop, which writes what there is. */
static void on_log_writable(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what, (void)argument;
}

static bool make_loop(struct master *master, char *line)
{
    snprintf(line, LINE, "the event loop cannot be made");
    master->base = event_base_new();
    if (!master->base || !signals_open(&master->signals, master->base, master_on_signal, master))
        return false;
    master->supervisor = supervisor_create(master->base, &master->common, master->data.family_lock,
                                           &supervisor_callbacks, master);
    master->handover = handover_create(master->base, &master->common, master->supervisor, &master->listeners);
    master->control = control_create(master->base, master->control_fd, &control_callbacks, master);
    master->control_fd = -1;
    master->sampler = event_new(master->base, -1, EV_PERSIST, on_sample, master);
    master->log = event_new(master->base, -1, 0, on_log_writable, master);
    return master->handover && master->control && master->sampler && master->log &&
           event_add(master->sampler, &(struct timeval){.tv_sec = RATES_SAMPLE_MS / 1000}) == 0;
}

static void run_master(struct master *master)
{
    log_notice("dispatchd " DISPATCHD_VERSION " starts with %u workers", master->common.scoreboard->workers);
    supervisor_start(master->supervisor);
    while (master->stopping != STOPPED) {
        log_flush();
        if (log_waits() && !event_pending(master->log, EV_TIMEOUT, NULL))
            event_add(master->log, &(struct timeval){.tv_usec = LOG_RETRY_MS * 1000});
        if (event_base_loop(master->base, EVLOOP_ONCE) < 0)
            log_fatal("the event loop has failed");
    }
    if (master->exit_status == 0)
        log_notice("stopped");
}

static void release_master(struct master *master)
{
    handover_free(&master->handover);
    if (master->control || master->control_fd >= 0) {
        if (unlink(master->control_path) != 0 && errno != ENOENT)
            log_warning("%s cannot be removed: %m", master->control_path);
    }
    if (master->sampler)
        event_free(master->sampler);
    if (master->log)
        event_free(master->log);
    supervisor_free(&master->supervisor);
    pid_file_close(&master->pid_file);
    listeners_close(&master->listeners);
    data_directory_close(&master->data);
    control_free(&master->control); /* who waits for the end there may start another one at once */
    if (master->control_fd >= 0)
        close(master->control_fd);
    signals_close(&master->signals);
    if (master->base)
        event_base_free(master->base);
    ring_close(&master->common.ring);
    log_finish();
}

int master_run(const struct config *config)
{
    char line[LINE];
    if (!config->foreground && !daemonize_begin(line)) {
        fprintf(stderr, "dispatchd: %s\n", line);
        return 1;
    }
    struct master master = {
        .config = config, .data = {-1, -1}, .control_fd = -1, .pid_file = {.fd = -1}, .signals = {.fd = -1}};
    log_process("master");
    process_title_set("dispatchd: master %s", config->file ? config->file : "");
    priority_raise();
    if (claim_names(&master, line) && make_shared(&master, line) && privileges_drop(config->user, line) &&
        make_loop(&master, line))
        run_master(&master);
    else
        say_failure(&master, line);
    release_master(&master);
    return master.exit_status;
}
