#include "worker/net/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/ipc/frame_header.h"
#include "shared/ipc/scoreboard.h"
#include "worker/net/connection_close.h"
#include "worker/net/connection_half_read.h"
#include "worker/net/connection_hold.h"
#include "worker/net/connection_pings.h"
#include "worker/net/connection_write.h"
#include "worker/net/frame_write.h"
#include "worker/net/http/http.h"
#include "worker/net/network_state.h"
#include "worker/net/read_ahead.h"
#include "worker/net/refused_origin.h"

/* One connection: reading, the heads of requests, the handshake, frames, and what its owner may ask of it. */

/* The event is made anew because one that waits can not be told to wait for something else. */
void connection_arm(struct connection *connection)
{
    uint8_t wanted = 0;
    bool reads = !connection->paused && !connection->log_in_first && !connection_is_full(connection);
    if (reads && !connection->eof)
        wanted |= EV_READ;
    if (connection->blocked)
        wanted |= EV_WRITE;
    if (wanted != connection->armed) {
        if (event_initialized(&connection->event))
            event_del(&connection->event); /* also one that was made active by hand */
        connection->armed = wanted;
        if (event_assign(&connection->event, connection->network->base, connection->fd,
                         (short)(wanted | EV_PERSIST), connection_event, connection) != 0 ||
            (wanted && event_add(&connection->event, NULL) != 0))
            log_fatal("descriptor %d could not be watched", connection->fd);
    }
    /* What came before a pause will not be announced by the kernel. */
    if ((connection->held_back && reads) || (connection->ahead && !connection->held))
        event_active(&connection->event, EV_READ, 0);
}

static bool take_frame_message(void *owner, struct slice message, bool binary)
{
    struct connection *connection = owner;
    connection_uncount_half_read(connection); /* it is whole: from here on it is its call's */
    if (connection->state == CONNECTION_OPEN)
        connection_take_message(connection, message, binary);
    return !connection_is_full(connection);
}

static bool on_ping(void *owner, struct slice payload)
{
    struct connection *connection = owner;
    if (connection->state == CONNECTION_OPEN)
        connection_pong_send(connection, payload);
    return !connection_is_full(connection);
}

static bool on_pong(void *owner, struct slice payload)
{
    (void)payload;
    struct connection *connection = owner;
    connection_ponged(connection);
    return !connection_is_full(connection);
}

static void on_close(void *owner, uint16_t code, struct slice reason)
{
    (void)reason;
    connection_peer_closed(owner, code);
}

static enum frame_verdict on_length(void *owner, uint64_t bytes)
{
    struct connection *connection = owner;
    if (bytes <= connection_message_most(connection))
        return FRAME_FITS;
    connection->log_in_first = connection_may_have_more(connection, bytes);
    return connection->log_in_first ? FRAME_WAITS : FRAME_IS_TOO_LONG;
}

static const struct frame_sink SINK = {
    .message = take_frame_message, .ping = on_ping, .pong = on_pong, .judge = on_length, .close = on_close};

static void feed_frames(struct connection *connection, struct slice bytes)
{
    if (connection->peer_done)
        return;
    struct network *network = connection->network;
    uint64_t most = connection_message_most(connection);
    uint16_t code = frame_feed(network->frames, &connection->reader, bytes, network->options.text_only, most,
                               &SINK, connection);
    connection->held_back =
        (connection->log_in_first || connection_is_full(connection)) && connection->reader;
    if (code)
        connection_fail(connection, code);
}

static void connection_open(struct connection *connection, const struct handshake *handshake,
                            struct slice response)
{
    struct network *network = connection->network;
    const struct config_limits *limits = &network->options.config->limits;
    network_set_state(connection, CONNECTION_OPEN);
    connection->opened = true;
    output_open(&connection->output, network->options.backlog, NULL);
    output_urgent(&connection->output, response);
    timers_ping_start(network->timers, connection);
    timers_deadline(network->timers, connection, limits->authorize_ms);
    connection_queue(connection);
    if (network->options.score)
        atomic_fetch_add_explicit(&network->options.score->accepted, 1, memory_order_relaxed);
    network->events.opened(network->context, connection, handshake);
}

void connection_keep(struct connection *connection, struct slice bytes)
{
    if (bytes.length == 0)
        return;
    if (!connection->head)
        connection->head = memory_zeroed(1, sizeof *connection->head);
    buffer_append_slice(connection->head, bytes);
}

static void shake_hands(struct connection *connection, enum http_request_result result,
                        const struct http_request *request, struct slice rest)
{
    struct network *network = connection->network;
    struct handshake handshake = {0};
    buffer_clear(&network->scratch);
    switch (handshake_answer(&network->handshake, result, request, &handshake, &network->scratch)) {
    case HANDSHAKE_INCOMPLETE:
        break;
    case HANDSHAKE_FOREIGN:
        refused_origin_log(connection, request);
        [[fallthrough]];
    case HANDSHAKE_REFUSED:
        connection_refuse(connection, buffer_slice(&network->scratch));
        break;
    case HANDSHAKE_ACCEPTED:
        connection_open(connection, &handshake, buffer_slice(&network->scratch));
        if (rest.length)
            feed_frames(connection, rest);
        break;
    }
    memory_wipe(&handshake, sizeof handshake); /* it has the token */
}

/* What came so far of a request's head, and perhaps more than that. */
static void read_request_head(struct connection *connection, struct slice bytes)
{
    struct http_request request;
    size_t used;
    enum http_request_result result = http_request_parse(bytes, &used, &request);
    struct slice rest = slice_of(bytes.data + used, bytes.length - used);
    bool http = connection->network->events.request && result == HTTP_REQUEST_COMPLETE;
    if (http && !handshake_is_meant(&request))
        http_begin(connection, &request, rest);
    else
        shake_hands(connection, result, &request, rest);
}

/* Bytes while a head is awaited: after those that came before. */
static void take_head(struct connection *connection, struct slice bytes)
{
    struct buffer *before = connection->head;
    connection->head = NULL;
    if (before) {
        buffer_append_slice(before, bytes);
        bytes = buffer_slice(before);
    }
    read_request_head(connection, bytes);
    if (connection->state == CONNECTION_HANDSHAKE) {
        if (!before)
            connection_keep(connection, bytes);
        else
            connection->head = before;
        return;
    }
    if (before)
        buffer_free(before);
    free(before);
}

static void look_at_bytes(struct connection *connection, struct slice bytes)
{
    switch ((enum connection_state)connection->state) {
    case CONNECTION_HANDSHAKE:
        take_head(connection, bytes);
        return;
    case CONNECTION_HTTP:
        http_feed(connection, bytes);
        return;
    case CONNECTION_OPEN:
        feed_frames(connection, bytes);
        break;
    case CONNECTION_CLOSING:
    case CONNECTION_LINGER:
    case CONNECTION_DEAD:
        break;
    }
    /* Nobody will look at what there may be of a message. */
    if (connection->state != CONNECTION_OPEN || connection->peer_done)
        frame_drop(connection->network->frames, &connection->reader);
}

/* What is not whole yet, or has not been got to. */
static void count_half_read(struct connection *connection)
{
    if (!connection_alive(connection) || connection_count_half_read(connection))
        return;
    if (connection->state == CONNECTION_OPEN)
        connection_cut(connection, CLOSE_TRY_AGAIN, "too much has come in part");
    else
        connection_gone(connection);
}

static void take_bytes(struct connection *connection, struct slice bytes)
{
    look_at_bytes(connection, bytes);
    count_half_read(connection);
}

static bool wants_to_read(struct connection *connection)
{
    return connection_alive(connection) && !connection->paused && !connection->log_in_first &&
           !connection_is_full(connection);
}

static bool is_to_be_read(struct connection *connection)
{
    if (connection->ahead && !connection->held && connection_alive(connection))
        return true;
    return wants_to_read(connection) && (!connection->eof || connection->held_back);
}

enum { READ_LITTLE = 4096 }; /* bytes, while calls of many wait: what follows may have to wait too */

/* One read in a pass: who sends much is served again in the next one, after the others. */
static void connection_read(struct connection *connection)
{
    struct network *network = connection->network;
    if (connection->ahead) {
        connection_give_ahead(connection);
        connection->log_in_first = false; /* it is asked again */
        count_half_read(connection);
    }
    if (!connection->held && read_ahead_bytes(connection->ahead) > 0)
        return; /* the pass is used up: no more is read before that is given */
    if (!wants_to_read(connection))
        return;
    if (connection->held_back) {
        connection->held_back = false;
        take_bytes(connection, slice_of("", 0));
        if (connection->eof && !connection->held_back)
            connection_peer_ended(connection);
        if (!wants_to_read(connection))
            return;
    }
    if (connection->eof)
        return;
    ssize_t length;
    size_t most = sizeof network->read_buffer;
    if (connection_hold_is_much(network) && connection->kind != CONNECTION_CONTROL)
        most = READ_LITTLE;
    do {
        length = recv(connection->fd, network->read_buffer, most, MSG_DONTWAIT);
    } while (length < 0 && errno == EINTR);
    if (length > 0) {
        take_bytes(connection, slice_of(network->read_buffer, (size_t)length));
        memory_wipe(network->read_buffer, (size_t)length);
    } else if (length == 0)
        connection_peer_ended(connection);
    else if (errno != EAGAIN && errno != EWOULDBLOCK)
        connection_gone(connection);
}

/* Not now: it waits for the next pass. What the kernel has it announces again; what is held back it does not
 * know of, for that a timer runs out at once. */
static bool reads_later(struct connection *connection)
{
    static const struct timeval at_once = {0};
    if (network_takes_calls(connection->network))
        return false;
    bool unknown = connection->held_back || (connection->ahead && !connection->held);
    if (unknown && event_add(&connection->event, &at_once) != 0)
        log_fatal("descriptor %d could not be watched", connection->fd);
    return true;
}

void connection_event(evutil_socket_t fd, short what, void *argument)
{
    (void)fd;
    struct connection *connection = argument;
    struct network *network = connection->network;
    network_enter(network);
    /* With its time libevent takes the descriptor out, too. */
    if (what & EV_TIMEOUT && connection->armed && event_add(&connection->event, NULL) != 0)
        log_fatal("descriptor %d could not be watched", connection->fd);
    if (what & EV_WRITE) { /* in its turn, after what the owner does before network_flush() */
        connection->blocked = false;
        connection_arm(connection);
        connection_queue(connection);
    }
    if (what & (EV_READ | EV_TIMEOUT) && is_to_be_read(connection) && !reads_later(connection)) {
        connection_read(connection);
        if (connection_alive(connection))
            connection_arm(connection); /* it may be full now, or not any more */
    }
    /* A pass of the loop may bring calls on thousands of connections: their answers shall not all wait in
     * memory. */
    if (network->fresh >= FRESH_MOST && network->depth == 1 &&
        (!network->events.may_write || network->events.may_write(network->context)))
        network_flush(network, FRESH_MOST);
    network_leave(network);
}

static void free_kept(struct buffer **kept)
{
    if (*kept)
        buffer_free(*kept);
    free(*kept);
    *kept = NULL;
}

void connection_forget(struct connection *connection)
{
    frame_drop(connection->network->frames, &connection->reader);
    output_close(&connection->output);
    connection_forget_ahead(connection);
    connection_uncount_half_read(connection);
    free_kept(&connection->head);
    free_kept(&connection->late_pong);
    connection->held_back = false;
}

uint64_t connection_reply_limit(const struct connection *connection)
{
    uint64_t most = connection->network->options.config->limits.reply_queue_bytes;
    if (connection->kind == CONNECTION_CONTROL)
        most *= CONTROL_BOUNDS;
    return most < UINT32_MAX / 2 ? most : UINT32_MAX / 2;
}

void connection_answer_frames(struct connection *connection, struct slice frames, uint64_t after_seq)
{
    if (connection->state != CONNECTION_OPEN)
        return;
    if (!connection->output.first)
        connection->network->fresh++;
    output_reply(&connection->output, frames, after_seq);
    connection_queue(connection);
}

void connection_send_frames(struct connection *connection, struct slice frames, uint64_t after_seq)
{
    if (connection->state != CONNECTION_OPEN)
        return;
    uint64_t most = connection_reply_limit(connection);
    if (!connection->output.first)
        connection->unasked = 0;
    if (frames.length > most || connection->unasked > most - frames.length) {
        connection_cut(connection, CLOSE_POLICY, "too slow");
        return;
    }
    connection->unasked += (uint32_t)frames.length;
    connection_answer_frames(connection, frames, after_seq);
}

/* The frame of a message, in the network's scratch memory. */
static struct slice frame_message(struct connection *connection, struct slice message)
{
    struct buffer *scratch = &connection->network->scratch;
    buffer_clear(scratch);
    frame_append(scratch, OPCODE_TEXT, message);
    return buffer_slice(scratch);
}

void connection_send(struct connection *connection, struct slice message, uint64_t after_seq)
{
    if (connection->state != CONNECTION_OPEN)
        return;
    connection_send_frames(connection, frame_message(connection, message), after_seq);
    buffer_clear(&connection->network->scratch);
}

void connection_answer(struct connection *connection, struct slice message, uint64_t after_seq)
{
    if (connection->state != CONNECTION_OPEN)
        return;
    connection_answer_frames(connection, frame_message(connection, message), after_seq);
    buffer_clear(&connection->network->scratch);
}

void connection_log_in_ended(struct connection *connection)
{
    if (connection->state != CONNECTION_OPEN || !connection->log_in_first)
        return;
    connection->log_in_first = false; /* it is asked again */
    connection_arm(connection);
}

void connection_authorized(struct connection *connection, bool authorized)
{
    struct network *network = connection->network;
    if (connection->state != CONNECTION_OPEN)
        return;
    connection_uncount_half_read(connection);
    connection->authorized = authorized;
    connection_recount_half_read(connection);
    connection_log_in_ended(connection);
    if (!connection->peer_done)
        timers_deadline(network->timers, connection,
                        authorized ? 0 : network->options.config->limits.authorize_ms);
    if (authorized && network->options.application_pings)
        connection_ping_say(connection);
}
