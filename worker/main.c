/*
 * A worker: one event loop that never blocks, a few threads for what must, its share of the connections.
 *
 * It is told by the master (order channel) of new connections and of its link to the committer; it reads the
 * store and the change ring; it gives change sets to the committer. Each pass of the loop handles what is
 * readable, takes new changes out of the ring into the backlog, lets long jobs do a step, and writes to
 * connections, as far as the work of one pass goes (base/work.h). Read next: orders.c (what the master says),
 * session/session.c and rpc/call.c (messages), intake/ring_intake.c (changes).
 */

#include "worker/main.h"

#include <event2/event_struct.h>
#include <malloc.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>

#include "shared/base/clock.h"
#include "shared/base/first_user.h"
#include "shared/base/log.h"
#include "shared/base/random.h"
#include "worker/authority/authority.h"
#include "worker/base/committer_link.h"
#include "worker/base/committer_queue.h"
#include "worker/base/job.h"
#include "worker/base/snapshot.h"
#include "worker/base/thread_pool.h"
#include "worker/base/watcher_link.h"
#include "worker/events.h"
#include "worker/intake/directory.h"
#include "worker/intake/ring_intake.h"
#include "worker/larger_documents.h"
#include "worker/net/connection.h"
#include "worker/net/connection_hold.h"
#include "worker/net/network.h"
#include "worker/orders.h"
#include "worker/session/listening.h"
#include "worker/session/token_use.h"
#include "worker/stopping.h"

enum { WRITES_IN_A_PASS = 256, READERS_CHECK_S = 60, BUFFER_KEPT = 256 * 1024 };

struct loop {
    struct worker *worker;
    struct event ring_event;
    struct event second;
    struct event log; /* some of it could not be written yet */
    struct event hangup;
    unsigned seconds;
};

static void on_ring(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what, (void)argument; /* the loop looks at the ring in every pass; this only wakes it */
}

static void log_refused_strangers(struct worker *worker)
{
    if (worker->refused_strangers)
        log_info("refused calls of clients that had not logged in: %llu",
                 (unsigned long long)worker->refused_strangers);
    worker->refused_strangers = 0;
}

static void on_second(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what;
    struct loop *loop = argument;
    committer_link_tick(loop->worker->link);
    token_use_tick(loop->worker);
    listening_tick(loop->worker);
    connection_hold_refuse_standing(loop->worker->network);
    log_refused_strangers(loop->worker);
    if (++loop->seconds % READERS_CHECK_S == 0)
        store_check_readers(loop->worker->store);
}

static void on_hangup(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what, (void)argument;
    log_reopen();
}

/* Only wakes the loop, of which each pass writes what there is. */
static void on_log_writable(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what, (void)argument;
}

static void open_loop(struct loop *loop, struct worker *worker)
{
    static const struct timeval second = {.tv_sec = 1};
    loop->worker = worker;
    event_assign(&loop->ring_event, worker->base, ring_wakeup_fd(worker->ring, worker->slot),
                 EV_READ | EV_PERSIST, on_ring, loop);
    event_assign(&loop->second, worker->base, -1, EV_PERSIST, on_second, loop);
    event_assign(&loop->log, worker->base, -1, 0, on_log_writable, loop);
    event_assign(&loop->hangup, worker->base, SIGHUP, EV_SIGNAL | EV_PERSIST, on_hangup, loop);
    if (event_add(&loop->ring_event, NULL) || event_add(&loop->second, &second) ||
        event_add(&loop->hangup, NULL))
        log_fatal("the event loop cannot be set up");
}

static void close_loop(struct loop *loop)
{
    event_del(&loop->ring_event);
    event_del(&loop->second);
    event_del(&loop->log);
    event_del(&loop->hangup);
}

/* One large message or answer must not stay in the process for good. */
static void trim_buffers(struct worker *worker)
{
    if (worker->message.capacity > BUFFER_KEPT / sizeof *worker->message.nodes)
        json_free(&worker->message);
    if (worker->scratch.capacity > BUFFER_KEPT)
        buffer_free(&worker->scratch);
    if (worker->reply.capacity > BUFFER_KEPT)
        buffer_free(&worker->reply);
}

/* Connections that could not be served from the store are tried again: in every pass, of which there is one a
 * second at least. */
static void retry_after_failure(struct worker *worker)
{
    if (worker->snapshot_failed)
        network_backlog_grew(worker->network);
    worker->snapshot_failed = false;
}

bool worker_pass(struct worker *worker)
{
    retry_after_failure(worker);
    bool more = ring_intake_some(worker);
    worker->rights_left = WORK_FOR_RIGHTS;
    more |= directory_step(worker);
    if (authority_is_current(worker->authority))
        more |= listening_run(worker);
    job_list_run(worker->jobs);
    committer_link_flush(worker->link); /* first: who is answered now may count on what it sent before */
    if (authority_is_current(worker->authority)) /* events.c, may_write() */
        more |= network_flush(worker->network, WRITES_IN_A_PASS);
    more |= job_list_runnable(worker->jobs); /* what was written may have woken some */
    committer_link_flush(worker->link);
    watcher_link_flush(worker->watcher);
    snapshot_end(worker);
    trim_buffers(worker);
    stopping_step(worker);
    work_pass(&worker->work);
    atomic_store_explicit(&worker->score->calls_bytes, worker->held + network_waiting_bytes(worker->network),
                          memory_order_relaxed);
    atomic_fetch_add_explicit(&worker->score->loops, 1, memory_order_relaxed);
    log_flush();
    return more;
}

static void run_loop(struct loop *loop)
{
    static const struct timeval retry = {.tv_usec = LOG_RETRY_MS * 1000};
    struct worker *worker = loop->worker;
    bool more = true;
    while (worker->running) {
        bool sleeping = !more && ring_sleep(worker->ring, worker->slot, &worker->cursor);
        event_base_loop(worker->base, sleeping ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
        if (sleeping)
            ring_awake(worker->ring, worker->slot);
        more = worker_pass(worker);
        if (log_waits() && !event_pending(&loop->log, EV_TIMEOUT, NULL))
            (void)event_add(&loop->log, &retry);
    }
}

/* The store of this run of the server, and no other that was put in its place: positions would be given of
 * what others never saw. */
static struct store *open_store(const struct inheritance *inheritance)
{
    char message[STORE_MESSAGE];
    struct store *store = store_open(inheritance->config, message);
    if (!store)
        log_fatal("%s", message);
    if (store_begin(store) != ERROR_NONE)
        log_fatal("the store cannot be read");
    bool same =
        store_epoch(store) == inheritance->epoch && store_seq(store) >= ring_last_seq(inheritance->ring);
    store_end(store);
    if (!same)
        log_fatal("%s: is not the store that this server was started with: stop it, and start it again",
                  inheritance->config->data);
    return store;
}

void worker_open(struct worker *worker, const struct inheritance *inheritance)
{
    worker->config = inheritance->config;
    worker->slot = inheritance->slot;
    worker->scoreboard = inheritance->scoreboard;
    worker->score = &inheritance->scoreboard->worker[worker->slot];
    worker->attempts = inheritance->scoreboard->attempts;
    worker->ring = inheritance->ring;
    worker->order_channel = inheritance->order_channel;
    worker->incarnation = random_number();
    worker->running = true;
    worker->clock_steady_ms = clock_monotonic_ms();
    worker->clock_ahead_ms = (int64_t)(clock_wall_ms() - worker->clock_steady_ms);
    worker->base = event_base_new();
    if (!worker->base || sodium_init() < 0)
        log_fatal("the event loop or libsodium cannot be set up");
    work_start(&worker->work, worker->score);
    worker->backlog = backlog_create(worker->config->backlog_bytes);
    worker->viewers = viewer_table_create(worker->config);
    worker->jobs = job_list_create(&worker->work);
    worker->link = committer_link_create(worker, events_link_may_read);
    worker->committer_queue = committer_queue_create(worker);
    worker->directories = directory_all_create(worker);
    worker->watcher = watcher_link_create(worker, &directory_link_events);
    worker->threads =
        thread_pool_create(worker->base, worker->config->threads, worker->config->limits.login_queue);
    worker->authority = authority_create(worker, &events_of_authority);
    worker->accounts = authority_accounts(worker->authority);
    struct network_options options = {
        .config = worker->config,
        .backlog = worker->backlog,
        .work = &worker->work,
        .text_only = true,
        .application_pings = true,
        .epoch = store_epoch(worker->store),
        .score = worker->score,
        .address_counts = worker->scoreboard->addresses,
        .slot = worker->slot,
    };
    worker->network = network_create(worker->base, &options, &events_of_network, worker);
    ring_intake_start(worker);
}

/*
 * In the order in which nobody is left who uses what is freed. Sessions go first, so every open call is
 * without a client. Threads end what they have begun, and a password that was hashed may still become a
 * change set; jobs and the sets without an answer then end their calls.
 */
void worker_close(struct worker *worker)
{
    snapshot_end(worker);
    stopping_free(worker);
    network_free(&worker->network);
    thread_pool_free(&worker->threads);
    job_list_free(&worker->jobs);
    committer_link_free(&worker->link); /* answers everything, what waits for its turn too */
    committer_queue_free(&worker->committer_queue);
    watcher_link_free(&worker->watcher);
    directory_all_free(&worker->directories);
    authority_free(&worker->authority);
    snapshot_end(worker); /* who was told of an end may have looked something up */
    viewer_table_free(&worker->viewers);
    backlog_free(&worker->backlog);
    json_free(&worker->message);
    buffer_free(&worker->scratch);
    buffer_free(&worker->reply);
    buffer_free(&worker->line);
    event_base_free(worker->base);
}

/* The master tells whoever starts the service; the log keeps it. */
static void log_first_user(struct worker *worker)
{
    char line[FIRST_USER_LINE];
    if (!snapshot_take(worker))
        return;
    uint64_t users;
    bool nobody = store_count(worker->store, COLLECTION_USERS, &users) == ERROR_NONE && users == 0;
    snapshot_end(worker);
    atomic_store(&worker->score->no_user, nobody);
    if (!nobody)
        return;
    first_user_hint(worker->config->control, line, sizeof line);
    log_notice("%s", line);
}

/*
 * A password's hash takes 64 MiB from the kernel and gives them back, in a thread that has the processor last
 * of all; whoever asks the kernel for memory meanwhile waits for its turn, 50 ms and more. So the loop asks
 * seldom: its heap grows in large steps, which are not resident until they are used, and keeps what it has.
 */
enum { HEAP_STEP = 1 << 20, HEAP_FREE_MOST = 8 << 20, MAPPED_ALONE = 4 << 20 };

static void set_up_heap(void)
{
    if (!mallopt(M_TOP_PAD, HEAP_STEP) || !mallopt(M_TRIM_THRESHOLD, HEAP_FREE_MOST) ||
        !mallopt(M_MMAP_THRESHOLD, MAPPED_ALONE))
        log_warning("mallopt failed: log-ins may hold up other calls");
}

int worker_main(const struct inheritance *inheritance)
{
    struct worker worker = {0};
    struct loop loop = {0};
    set_up_heap();
    worker.store = open_store(inheritance);
    worker_open(&worker, inheritance);
    open_loop(&loop, &worker);
    orders_open(&worker);
    if (worker.slot == 0)
        log_first_user(&worker);
    orders_ready(&worker);
    if (worker.slot == 0)
        larger_documents_count(&worker);
    run_loop(&loop);
    orders_close(&worker);
    close_loop(&loop);
    worker_close(&worker);
    store_close(&worker.store);
    log_flush();
    return 0;
}
