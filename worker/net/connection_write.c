#include "worker/net/connection_write.h"

#include <errno.h>
#include <sys/socket.h>

#include "shared/ipc/scoreboard.h"
#include "worker/net/connection_close.h"
#include "worker/net/connection_pings.h"
#include "worker/net/http/http.h"
#include "worker/net/network_state.h"

/* What output.h decides, written; and the two queues of connections. */

enum written {
    WRITTEN_ALL,     /* what could go out is out */
    WRITTEN_MORE,    /* the plan is out and there may be more, or there was no work left to find it */
    WRITTEN_BLOCKED, /* the kernel's buffer is full */
    WRITTEN_NEVER,   /* the connection is broken */
};

static bool is_up_to_date(const struct connection *connection)
{
    return connection->queued && connection->up_to_date == connection->network->stamp;
}

void connection_unqueue(struct connection *connection)
{
    struct network *network = connection->network;
    if (!connection->queued)
        return;
    if (is_up_to_date(connection))
        TAILQ_REMOVE(&network->current, connection, queue);
    else
        TAILQ_REMOVE(&network->ready, connection, queue);
    connection->queued = false;
}

void connection_queue(struct connection *connection)
{
    struct network *network = connection->network;
    bool writes = connection->state == CONNECTION_HTTP || connection->state == CONNECTION_OPEN ||
                  connection->state == CONNECTION_CLOSING;
    if (!writes || connection->blocked || (connection->queued && !is_up_to_date(connection)))
        return;
    connection_unqueue(connection);
    connection->queued = true;
    connection->up_to_date = network->stamp - 1; /* any but the present one */
    TAILQ_INSERT_TAIL(&network->ready, connection, queue);
}

static void queue_current(struct connection *connection)
{
    struct network *network = connection->network;
    connection_unqueue(connection);
    connection->queued = true;
    connection->up_to_date = network->stamp;
    TAILQ_INSERT_TAIL(&network->current, connection, queue);
}

/* Where our close frame ends: nothing may be sent after it (RFC 6455 section 5.5.1). */
static const char *close_frame_end(const struct connection *connection)
{
    const struct reply *last = connection->output.last;
    if (connection->close_urgent) {
        last = connection->output.urgent;
        while (last && last->next)
            last = last->next;
    }
    return last ? last->bytes + last->length : NULL;
}

/* Cuts the plan after the close frame; true when the frame is in it. */
static bool cut_at_close(const struct connection *connection, struct output_plan *plan)
{
    const char *end = close_frame_end(connection);
    size_t bytes = 0;
    for (int i = 0; end && i < plan->count; i++) {
        const char *base = plan->vectors[i].iov_base;
        if (end > base && end <= base + plan->vectors[i].iov_len) {
            plan->vectors[i].iov_len = (size_t)(end - base);
            plan->count = i + 1;
            plan->bytes = bytes + plan->vectors[i].iov_len;
            return true;
        }
        bytes += plan->vectors[i].iov_len;
    }
    return false;
}

/* The kernel took @sent bytes, the last ones of @frames frames of changes among them. */
static void count_written(const struct network *network, size_t sent, uint64_t frames)
{
    struct scoreboard_worker *score = network->options.score;
    if (!score)
        return;
    atomic_fetch_add_explicit(&score->bytes_out, sent, memory_order_relaxed);
    if (frames)
        atomic_fetch_add_explicit(&score->deliveries, frames, memory_order_relaxed);
}

static enum written write_once(struct connection *connection, bool *close_went)
{
    struct network *network = connection->network;
    struct output_plan *plan = &network->plan;
    output_plan(&connection->output, network->options.backlog, WRITE_BYTES, network->options.work, plan);
    bool closes = connection->state == CONNECTION_CLOSING && cut_at_close(connection, plan);
    if (plan->count == 0)
        return plan->stopped ? WRITTEN_MORE : WRITTEN_ALL;
    struct msghdr message = {.msg_iov = plan->vectors, .msg_iovlen = (size_t)plan->count};
    ssize_t sent;
    work_charge(network->options.work, WORK_WRITE);
    do {
        sent = sendmsg(connection->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? WRITTEN_BLOCKED : WRITTEN_NEVER;
    connection->unread += (uint32_t)sent;
    work_charge(network->options.work, work_bytes((size_t)sent));
    uint64_t frames = output_advance(&connection->output, network->options.backlog, plan, (size_t)sent);
    count_written(network, (size_t)sent, frames);
    if ((size_t)sent < plan->bytes)
        return WRITTEN_BLOCKED;
    *close_went = closes;
    /* What is left may have been too much for one plan, or may have to wait: the next plan shows which. */
    return output_idle(&connection->output, network->options.backlog) ? WRITTEN_ALL : WRITTEN_MORE;
}

static bool wants_refill(const struct connection *connection)
{
    return output_wants_refill(&connection->output) ||
           output_at_hold(&connection->output, connection->network->options.backlog);
}

/*
 * All is written that could be: the owner may have more from the change log, or to put in at a hold. A close
 * frame that waits for changes waits also for those that only the change log has now, but not for a hold:
 * what is after it may not go out before its time.
 */
static void refill_output(struct connection *connection)
{
    struct network *network = connection->network;
    bool closing = connection->state == CONNECTION_CLOSING;
    if (closing && output_at_hold(&connection->output, network->options.backlog)) {
        connection_cut(connection, connection->close_code, "");
        return;
    }
    bool wanted = !connection->close_urgent && network->events.refill && wants_refill(connection);
    if (wanted)
        network->events.refill(network->context, connection);
    /* When the owner has nothing yet it queues the connection once it has. */
    if ((wanted && !wants_refill(connection)) || connection_ping_waits(connection))
        connection_queue(connection);
    else if (!connection->queued)
        queue_current(connection);
}

/* Enough to keep a fast reader busy, little enough for a slow one. */
static uint64_t unread_most(const struct connection *connection)
{
    uint64_t quarter = connection_reply_limit(connection) / 4;
    return quarter < CONNECTION_UNREAD_BYTES ? quarter : CONNECTION_UNREAD_BYTES;
}

bool connection_is_read(const struct connection *connection)
{
    return connection->output.reply_bytes < unread_most(connection);
}

bool connection_may_send(const struct connection *connection)
{
    return !connection->peer_done && connection->state != CONNECTION_CLOSING &&
           connection_is_read(connection);
}

static void tell_drained(struct connection *connection, uint64_t before)
{
    struct network *network = connection->network;
    if (connection->state == CONNECTION_OPEN && network->events.drained &&
        before >= unread_most(connection) && connection_is_read(connection))
        network->events.drained(network->context, connection);
}

void connection_count_behind(struct connection *connection)
{
    struct scoreboard_worker *score = connection->network->options.score;
    bool behind = connection->output.catching_up && connection->state < CONNECTION_LINGER;
    if (!score || behind == connection->counted_behind)
        return;
    connection->counted_behind = behind;
    if (behind)
        atomic_fetch_add_explicit(&score->catching_up, 1, memory_order_relaxed);
    else
        atomic_fetch_sub_explicit(&score->catching_up, 1, memory_order_relaxed);
}

void connection_write(struct connection *connection)
{
    if (connection->state == CONNECTION_HTTP) {
        http_write(connection);
        return;
    }
    if (connection->peer_done && connection->state == CONNECTION_OPEN)
        connection_settle(connection);
    connection_ping_late(connection);
    uint64_t before = connection->output.reply_bytes;
    bool close_went = false;
    connection_unqueue(connection);
    enum written written = write_once(connection, &close_went);
    if (written == WRITTEN_NEVER) {
        connection_gone(connection);
        return;
    }
    connection->blocked = written == WRITTEN_BLOCKED;
    connection_arm(connection);
    if (close_went) {
        connection_linger(connection);
        return;
    }
    connection_pong_late(connection);
    tell_drained(connection, before);
    if (written == WRITTEN_MORE)
        connection_queue(connection);
    else if (written == WRITTEN_ALL)
        refill_output(connection);
    connection_count_behind(connection);
}
