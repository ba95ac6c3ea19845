#include "worker/net/http/http.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/ipc/scoreboard.h"
#include "worker/net/connection_address.h"
#include "worker/net/connection_close.h"
#include "worker/net/connection_half_read.h"
#include "worker/net/connection_write.h"
#include "worker/net/network_state.h"
#include "worker/net/refused_origin.h"

/*
 * One exchange: the request's body is read, bounded in bytes and in time; the owner answers; the answer is
 * written, bounded in time. What a client sends behind its request waits until then, and beyond a bound it
 * waits in the kernel.
 */

enum http_phase {
    HTTP_BODY,    /* the body is coming */
    HTTP_CALL,    /* the owner works on it */
    HTTP_RESPONSE /* the answer is being written */
};

struct http_exchange {
    struct http_call call; /* slices of ->memory, and of ->content */
    struct http_manner manner;
    struct http_body body;
    struct buffer content;
    struct buffer out;
    size_t sent;   /* bytes of ->out */
    uint8_t phase; /* enum http_phase */
    bool given;    /* request() was called: finished() will be */
    char memory[];
};

static const struct http_refusal malformed_body = {"400 Bad Request", "", ERROR_BAD_MESSAGE,
                                                   "The body is not chunked as RFC 9112 requires"};
static const struct http_refusal too_slow = {"408 Request Timeout", "", ERROR_TIMEOUT,
                                             "The request was not complete within limits.request_ms"};
static const struct http_refusal too_large = {"413 Content Too Large", "", ERROR_TOO_LARGE,
                                              "The body exceeds limits.message_bytes"};
static const struct http_refusal going_away = {"503 Service Unavailable", "Retry-After: 1\r\n",
                                               ERROR_UNAVAILABLE, "The server is stopping"};

static void http_set_deadline(struct connection *connection, bool runs)
{
    struct network *network = connection->network;
    timers_deadline(network->timers, connection, runs ? network->options.config->limits.request_ms : 0);
}

/* Of an exchange, with the texts of its call. */
static size_t exchange_bytes(const struct http_call *call, struct slice origin)
{
    return sizeof(struct http_exchange) + call->collection.length + call->method.length + call->token.length +
           call->once.length + origin.length;
}

/* The texts live as long as the exchange; the head is gone before. */
static struct http_exchange *exchange_create(const struct http_asked *asked)
{
    struct http_exchange *http = memory_zeroed(1, exchange_bytes(&asked->call, asked->origin));
    http->call = asked->call;
    http->body = asked->body;
    http->manner.origin = asked->origin;
    struct slice *texts[] = {&http->call.collection, &http->call.method, &http->call.token, &http->call.once,
                             &http->manner.origin};
    char *at = http->memory;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!texts[i]->data)
            continue;
        memcpy(at, texts[i]->data, texts[i]->length);
        texts[i]->data = at;
        at += texts[i]->length;
    }
    return http;
}

/* HTTP/1.0 ends a connection unless it is told otherwise, HTTP/1.1 keeps it (RFC 9112 section 9.3). */
static void read_manner(struct http_manner *manner, const struct http_request *request)
{
    size_t count;
    bool closes = http_request_lists(request, SLICE("Connection"), SLICE("close"), &count);
    bool keeps = http_request_lists(request, SLICE("Connection"), SLICE("keep-alive"), &count);
    manner->last = closes || (request->old && !keeps);
    manner->says_lasting = request->old && !manner->last;
    manner->head_only = slice_equal(request->method, SLICE("HEAD"));
    manner->secure = http_request_scheme(request) == HTTP_SCHEME_HTTPS;
}

/* For the time of the exchange; says whose what has come in part is. */
static void set_authorized(struct connection *connection, bool authorized)
{
    if (connection->authorized == authorized)
        return;
    connection_uncount_half_read(connection);
    connection->authorized = authorized;
}

/* Tells the owner, and forgets the exchange. */
static void exchange_end(struct connection *connection)
{
    struct network *network = connection->network;
    struct http_exchange *http = connection->http;
    connection->http = NULL;
    set_authorized(connection, false);
    if (http->given)
        network->events.finished(network->context, connection);
    buffer_free(&http->content);
    buffer_free(&http->out);
    memory_release(http, exchange_bytes(&http->call, http->manner.origin));
}

static void begin_response(struct connection *connection)
{
    struct http_exchange *http = connection->http;
    http->phase = HTTP_RESPONSE;
    buffer_free(&http->content);
    connection_recount_half_read(connection); /* perhaps nothing more comes on it for long */
    connection->network->fresh++;
    http_set_deadline(connection, true);
    connection_queue(connection);
}

/* What has come whole is counted as its call's. */
size_t http_content_bytes(const struct connection *connection)
{
    const struct http_exchange *http = connection->http;
    return http->phase == HTTP_BODY ? http->content.length : 0;
}

/* What the client may still send is not read as a request. */
static void http_refuse(struct connection *connection, const struct http_refusal *refusal)
{
    struct http_exchange *http = connection->http;
    char address[64];
    log_debug("%s: HTTP %s: %s", connection_address(connection, address), refusal->status, refusal->text);
    http->manner.last = true;
    http_refusal_append(&http->out, refusal, &http->manner);
    begin_response(connection);
}

void http_respond(struct connection *connection, const struct http_response *response)
{
    struct http_exchange *http = connection->http;
    if (connection->state != CONNECTION_HTTP || http->phase != HTTP_CALL)
        return;
    http_response_append(&http->out, response, &http->manner);
    begin_response(connection);
}

static void http_give_request(struct connection *connection)
{
    struct network *network = connection->network;
    struct http_exchange *http = connection->http;
    http->phase = HTTP_CALL;
    http->given = true;
    http->call.data = buffer_slice(&http->content);
    connection_uncount_half_read(connection);
    http_set_deadline(connection, false);
    network->events.request(network->context, connection, &http->call);
}

/* Behind the request: of use when there is another exchange on this connection. */
static void http_keep_content(struct connection *connection, struct slice bytes)
{
    if (connection->http->manner.last)
        return;
    connection_keep(connection, bytes);
    connection->paused = connection->head && connection->head->length >= HTTP_HEAD_MOST;
    connection_arm(connection);
}

void http_feed(struct connection *connection, struct slice bytes)
{
    struct http_exchange *http = connection->http;
    size_t used;
    if (http->phase != HTTP_BODY) {
        http_keep_content(connection, bytes);
        return;
    }
    switch (http_body_feed(&http->body, bytes, &used, &http->content)) {
    case HTTP_BODY_MORE:
        break;
    case HTTP_BODY_MALFORMED:
        http_refuse(connection, &malformed_body);
        break;
    case HTTP_BODY_TOO_LARGE:
        http_refuse(connection, &too_large);
        break;
    case HTTP_BODY_END:
        http_give_request(connection);
        http_keep_content(connection, slice_of(bytes.data + used, bytes.length - used));
        break;
    }
}

/* OPTIONS: nobody need be asked. A body has no meaning, and is not waited for. */
static void http_offer(struct connection *connection, const char *offered, struct slice rest)
{
    struct http_exchange *http = connection->http;
    size_t used;
    const struct http_response response = {.status = "204 No Content", .more = offered};
    work_charge(connection->network->options.work, WORK_CALL);
    if (http_body_feed(&http->body, slice_of(rest.data, 0), &used, &http->content) != HTTP_BODY_END)
        http->manner.last = true;
    http_response_append(&http->out, &response, &http->manner);
    begin_response(connection);
    http_keep_content(connection, rest);
}

void http_begin(struct connection *connection, const struct http_request *request, struct slice rest)
{
    struct network *network = connection->network;
    const struct http_bounds bounds = {.most = network->options.config->limits.message_bytes,
                                       .strange_most = connection_message_most(connection)};
    struct http_asked asked;
    const struct http_refusal *refusal = http_api_read(request, &network->handshake, &bounds, &asked);
    connection->http = exchange_create(&asked);
    read_manner(&connection->http->manner, request);
    network_set_state(connection, CONNECTION_HTTP);
    if (!refusal && asked.call.token.data && network->events.knows &&
        network->events.knows(network->context, asked.call.token))
        set_authorized(connection, true);
    http_set_deadline(connection, true);
    if (refusal) {
        if (refusal->code == ERROR_FORBIDDEN)
            refused_origin_log(connection, request);
        http_refuse(connection, refusal);
        return;
    }
    if (asked.offered) {
        http_offer(connection, asked.offered, rest);
        return;
    }
    http_feed(connection, rest);
    if (asked.waits && rest.length == 0 && connection->http->phase == HTTP_BODY) {
        buffer_append_text(&connection->http->out, "HTTP/1.1 100 Continue\r\n\r\n");
        connection_queue(connection);
    }
}

bool http_takes_cookie(const struct connection *connection)
{
    return connection->http && connection->http->call.page != HTTP_PAGE_OTHER;
}

/* The answer is out. */
static void exchange_done(struct connection *connection)
{
    struct network *network = connection->network;
    bool last = connection->http->manner.last || (connection->eof && !connection->head);
    exchange_end(connection);
    connection->paused = false;
    if (last) {
        connection_linger(connection);
        return;
    }
    network_set_state(connection, CONNECTION_HANDSHAKE);
    timers_deadline(network->timers, connection, network->options.config->limits.handshake_ms);
    connection_arm(connection);
    if (connection->head) {
        connection->held_back = true; /* the kernel will not announce it */
        event_active(&connection->event, EV_READ, 0);
    }
}

/* False: the connection is broken. */
static bool http_send_some(struct connection *connection)
{
    struct http_exchange *http = connection->http;
    struct scoreboard_worker *score = connection->network->options.score;
    size_t length = http->out.length - http->sent;
    if (length == 0)
        return true;
    if (length > WRITE_BYTES)
        length = WRITE_BYTES;
    ssize_t sent;
    do {
        sent = send(connection->fd, http->out.data + http->sent, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        return false;
    connection->blocked = sent < (ssize_t)length;
    if (sent > 0)
        http->sent += (size_t)sent;
    if (sent > 0 && score)
        atomic_fetch_add_explicit(&score->bytes_out, (uint64_t)sent, memory_order_relaxed);
    return true;
}

void http_write(struct connection *connection)
{
    struct http_exchange *http = connection->http;
    connection_unqueue(connection);
    connection->blocked = false;
    if (!http_send_some(connection)) {
        connection_gone(connection);
        return;
    }
    connection_arm(connection);
    if (http->sent < http->out.length)
        connection_queue(connection);
    else if (http->phase == HTTP_RESPONSE)
        exchange_done(connection);
}

/* Who sends no more may still read the answer; but most have gone, and nobody works for them for long. */
void http_peer_ended(struct connection *connection)
{
    if (connection->http->phase == HTTP_BODY) {
        connection_gone(connection);
        return;
    }
    if (connection->http->phase == HTTP_CALL)
        timers_deadline(connection->network->timers, connection, CLOSE_MS);
    connection->eof = true;
    connection_arm(connection);
}

void http_close(struct connection *connection)
{
    connection->http->manner.last = true;
    if (connection->http->phase == HTTP_BODY)
        http_refuse(connection, &going_away);
}

void http_expired(struct connection *connection)
{
    if (connection->http->phase == HTTP_BODY)
        http_refuse(connection, &too_slow);
    else
        connection_gone(connection);
}

void http_gone(struct connection *connection)
{
    exchange_end(connection);
}
