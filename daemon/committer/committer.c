/*
 * Welcome to the committer: the one process that writes the store.
 *
 * Workers give it change sets over their links (intake.c). It takes all that wait, applies them in one
 * transaction and commits once for all of them (apply.c), puts the changes into the ring, from which every
 * worker takes them (publish.c), and answers. While a commit is on its way to the disk more sets gather, so
 * that load makes batches.
 *
 * The master gives it orders (shared/ipc/orders.h): a link to a new worker, the end. It may be killed at any
 * moment: the next committer publishes what this one committed and did not publish, and tells the workers
 * which of their sets were committed (shared/ipc/committer_messages.h).
 */
#include "daemon/committer/committer.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/committer/apply.h"
#include "daemon/committer/first_group.h"
#include "daemon/committer/intake.h"
#include "daemon/committer/publish.h"
#include "daemon/committer/store/write.h"
#include "daemon/committer/store/write_open.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/ipc/fdpass.h"
#include "shared/ipc/inheritance.h"
#include "shared/ipc/orders.h"

enum { EACH_SECOND_MS = 1000, READERS_MS = 60000 };

/* Places in the poll set; the links follow. */
enum { POLL_ORDERS, POLL_SIGNALS, POLL_LINKS, POLL_MOST = POLL_LINKS + RING_WORKERS };

void (*committer_after_commit)(void);

struct committer {
    const struct inheritance *inheritance;
    struct writer *writer;
    struct store *store; /* as the writer reads it */
    struct intake intake;
    struct publisher publisher;
    struct applier *applier;
    int signals;
    bool called_off;      /* while it started */
    bool draining;        /* no more orders: ends when the links have */
    uint64_t deadline_ms; /* of that */
    bool dirty;           /* committed since the last look at the store's size (and, if relaxed, sync) */
    uint64_t looked_ms;
    uint64_t readers_ms; /* when dead readers were looked for */
};

static void report_to_master(const struct committer *committer, enum order_type type, const char *text)
{
    struct order order = {.type = type};
    snprintf(order.text, sizeof order.text, "%s", text);
    if (!fdpass_send(committer->inheritance->order_channel, &order, sizeof order, NULL, 0))
        log_warning("the master takes no report: %m");
}

/* No descriptor was free for the one that came with @order. */
static void lose_link(const struct committer *committer, const struct order *order)
{
    struct order report = {.type = REPORT_LINK_LOST, .slot = order->slot};
    log_warning("a link to worker %u is lost: no more descriptors are available (RLIMIT_NOFILE)",
                order->slot);
    if (order->type == ORDER_LINK &&
        !fdpass_send(committer->inheritance->order_channel, &report, sizeof report, NULL, 0))
        log_warning("the master takes no report: %m");
}

static void start_draining(struct committer *committer)
{
    if (committer->draining)
        return;
    committer->draining = true;
    committer->deadline_ms = clock_monotonic_ms() + committer->inheritance->config->stop_timeout_ms;
}

static void read_orders(struct committer *committer)
{
    for (;;) {
        struct order order = {0};
        int descriptors[FDPASS_MOST];
        size_t count = 0;
        ssize_t length =
            fdpass_receive(committer->inheritance->order_channel, &order, sizeof order, descriptors, &count);
        if (length < 0 && errno == EAGAIN)
            return;
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0 && errno == EBADMSG) {
            lose_link(committer, &order);
            continue;
        }
        if (length == (ssize_t)sizeof order && order.type == ORDER_LINK && count == 1) {
            intake_add(&committer->intake, order.slot, descriptors[0]);
            continue;
        }
        for (size_t i = 0; length > 0 && i < count; i++)
            close(descriptors[i]);
        if (length <= 0)
            log_error("the master is gone: stopping");
        if (length <= 0 || order.type == ORDER_STOP) {
            start_draining(
                committer); /* the workers end too: the last of their sets may still be under way */
            return;
        }
        log_error("an order of type %u is not for the committer", order.type);
    }
}

static void read_signals(struct committer *committer)
{
    struct signalfd_siginfo info;
    while (read(committer->signals, &info, sizeof info) == (ssize_t)sizeof info)
        log_reopen();
}

static bool open_signals(struct committer *committer)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || signal(SIGHUP, SIG_DFL) == SIG_ERR)
        return false;
    committer->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return committer->signals >= 0;
}

static void show_usage(struct committer *committer)
{
    struct scoreboard_committer *row = &committer->inheritance->scoreboard->committer;
    uint64_t used;
    uint64_t map;
    store_usage(committer->store, &used, &map);
    atomic_store(&row->store_used_bytes, used);
    atomic_store(&row->store_map_bytes, map);
}

static void sync_relaxed(struct committer *committer)
{
    if (committer->inheritance->config->durability != DURABILITY_RELAXED)
        return;
    struct scoreboard_committer *row = &committer->inheritance->scoreboard->committer;
    atomic_store(&row->syncing, true);
    if (store_write_sync(committer->writer) != ERROR_NONE)
        log_error("the store could not be synced");
    atomic_store(&row->syncing, false);
}

/* What happens now and then. */
static void look_after(struct committer *committer)
{
    uint64_t now = clock_monotonic_ms();
    if (now - committer->readers_ms >= READERS_MS) {
        committer->readers_ms = now;
        store_check_readers(committer->store);
    }
    if (committer->dirty && now - committer->looked_ms >= EACH_SECOND_MS) {
        committer->looked_ms = now;
        committer->dirty = false;
        sync_relaxed(committer);
        show_usage(committer);
    }
}

/* For a second at most, so that the master sees that it lives. */
static void wait_for_work(struct committer *committer)
{
    int wait_ms = log_waits() ? LOG_RETRY_MS : EACH_SECOND_MS;
    if (intake_has_work(&committer->intake))
        wait_ms = 0;
    struct pollfd polled[POLL_MOST];
    unsigned links = intake_poll(&committer->intake, polled + POLL_LINKS);
    polled[POLL_ORDERS] = (struct pollfd){
        .fd = committer->draining ? -1 : committer->inheritance->order_channel, .events = POLLIN};
    polled[POLL_SIGNALS] = (struct pollfd){.fd = committer->signals, .events = POLLIN};
    if (poll(polled, POLL_LINKS + links, wait_ms) < 0) {
        if (errno != EINTR)
            log_fatal("poll: %m");
        return;
    }
    intake_move(&committer->intake, polled + POLL_LINKS);
    if (polled[POLL_ORDERS].revents)
        read_orders(committer); /* after the links: it may close some of those that were polled */
    if (polled[POLL_SIGNALS].revents)
        read_signals(committer);
}

static bool is_done(const struct committer *committer)
{
    return committer->draining &&
           (committer->intake.count == 0 || clock_monotonic_ms() >= committer->deadline_ms);
}

static void run_loop(struct committer *committer)
{
    while (!is_done(committer)) {
        atomic_fetch_add_explicit(&committer->inheritance->scoreboard->committer.loops, 1,
                                  memory_order_relaxed);
        look_after(committer);
        log_flush();
        wait_for_work(committer);
        struct link *link;
        while ((link = intake_next_greeting(&committer->intake))) {
            apply_greet(committer->applier, link);
            intake_flush(link);
        }
        unsigned links = committer->intake.count;
        if (apply_batch(committer->applier, &committer->intake))
            committer->dirty = true;
        if (committer->intake.count < links)
            store_check_readers(committer->store); /* a worker that died may have left a snapshot open */
    }
}

/*
 * The store's opening has done a piece of what takes long. The master sees that it gets on, and nothing of
 * what was done is lost when it is called off: by an order to stop (no other comes before it has said that it
 * is ready), or by the master's end.
 */
static bool opening_may_go_on(void *argument)
{
    struct committer *committer = argument;
    const struct inheritance *inheritance = committer->inheritance;
    struct order order;
    atomic_fetch_add_explicit(&inheritance->scoreboard->committer.loops, 1, memory_order_relaxed);
    log_flush();
    ssize_t length = recv(inheritance->order_channel, &order, sizeof order, MSG_PEEK | MSG_DONTWAIT);
    bool nothing = length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    committer->called_off = !nothing && (length != (ssize_t)sizeof order || order.type == ORDER_STOP);
    return !committer->called_off;
}

/* The first committer of a run begins it in the store. One that takes over must find the store that its
 * predecessor left: in another one, sequence numbers that were dispatched would come to stand for something
 * else. */
static struct writer *open_store(struct committer *committer, char message[STORE_MESSAGE])
{
    const struct inheritance *inheritance = committer->inheritance;
    struct store_run run = {
        .epoch = inheritance->epoch,
        .new_history = inheritance->config->new_epoch,
        .goes_on = ring_started(inheritance->ring),
        .seq = ring_last_seq(inheritance->ring),
        .may_go_on = opening_may_go_on,
        .argument = committer,
    };
    return store_write_open(inheritance->config, &run, message);
}

static bool start_committer(struct committer *committer)
{
    const struct inheritance *inheritance = committer->inheritance;
    char message[STORE_MESSAGE];
    committer->writer = open_store(committer, message);
    if (committer->called_off)
        log_notice("%s", message);
    else if (!committer->writer)
        report_to_master(committer, REPORT_FAILED, message);
    if (!committer->writer)
        return false;
    committer->store = store_write_reader(committer->writer);
    committer->publisher = (struct publisher){.config = inheritance->config, .ring = inheritance->ring};
    committer->applier->writer = committer->writer;
    committer->applier->publisher = &committer->publisher;
    committer->applier->row = &inheritance->scoreboard->committer;
    if (!first_group_make(committer->writer, inheritance->config)) {
        report_to_master(committer, REPORT_FAILED, "the group administrator could not be made");
        return false;
    }
    if (!open_signals(committer) || !publish_missed(&committer->publisher, committer->store)) {
        report_to_master(committer, REPORT_FAILED, "the store was opened but cannot be read");
        return false;
    }
    atomic_store(&inheritance->scoreboard->committer.seq, store_write_seq(committer->writer));
    store_check_readers(committer->store);
    committer->readers_ms = clock_monotonic_ms();
    show_usage(committer);
    return true;
}

/* Small pieces are joined with their neighbours when they are freed: else those of one set's patch, hundreds
 * of thousands, are joined while another set, of somebody else, is applied. */
static void set_up_heap(void)
{
    if (!mallopt(M_MXFAST, 0))
        log_warning("mallopt failed: large patches may hold up what comes after them");
}

int committer_main(const struct inheritance *inheritance)
{
    struct committer committer = {.inheritance = inheritance, .signals = -1};
    committer.applier = memory_zeroed(1, sizeof *committer.applier);
    committer.applier->after_commit = committer_after_commit;
    set_up_heap();
    bool started = start_committer(&committer);
    if (started) {
        report_to_master(&committer, REPORT_READY, "");
        run_loop(&committer);
        sync_relaxed(&committer);
    }
    intake_close(&committer.intake);
    publish_free(&committer.publisher);
    store_write_close(&committer.writer);
    if (committer.signals >= 0)
        close(committer.signals);
    free(committer.applier);
    return started || committer.called_off ? 0 : 1;
}
