#ifndef WORKER_NET_HTTP_HTTP_H
#define WORKER_NET_HTTP_HTTP_H

#include "worker/net/connection.h"
#include "worker/net/http/http_api.h"

/*
 * HTTP on a connection: one exchange at a time, from the head of a request to the last byte of its answer.
 * Only for that long does it take memory; between two of them the connection is as it was when it came, and
 * the next request may as well be a WebSocket handshake.
 */

/** The answer to the request that network_events' request() gave. Nothing when there is none that waits for
 * it (any more). */
void http_respond(struct connection *connection, const struct http_response *response);

/** Whether the answer may set a cookie: not for a page of another origin, which could not have called with
 * it. */
bool http_takes_cookie(const struct connection *connection);

/* For the other files of worker/net/. */

/** The head of a request that is no handshake has come, and @rest behind it. */
void http_begin(struct connection *connection, const struct http_request *request, struct slice rest);

/** More bytes of the request, or behind it. */
void http_feed(struct connection *connection, struct slice bytes);

/** Writes once what there is of the answer. */
void http_write(struct connection *connection);

/** Bytes of the request's content that have come. */
size_t http_content_bytes(const struct connection *connection);

/** The peer sends no more. */
void http_peer_ended(struct connection *connection);

/** The exchange is the last one here. */
void http_close(struct connection *connection);

/** The deadline has passed. */
void http_expired(struct connection *connection);

/** The connection has gone: the exchange ends as it is. */
void http_gone(struct connection *connection);

#endif
