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

#endif
