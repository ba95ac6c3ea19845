#ifndef WORKER_NET_HTTP_HTTP_API_H
#define WORKER_NET_HTTP_HTTP_API_H

#include "worker/net/handshake.h"
#include "worker/net/http/http_body.h"
#include "worker/net/http/http_response.h"

/*
 * POST /api/COLLECTION/METHOD: what the head of such a request must say, without a socket. The token comes in
 * Authorization alone: a browser adds that to no request of another site's page, but it would add a cookie.
 */

enum { HTTP_KEY_MOST = 128 };

/** A call as it came over HTTP. */
struct http_call {
    struct slice collection, method;
    struct slice token; /* absent: none */
    struct slice once;  /* Idempotency-Key; absent: none */
    struct slice data;  /* the content: JSON; empty: none */
};

/** Whether the request is meant for methods, well made or not. */
bool http_api_is_meant(const struct http_request *request);

/**
 * Reads the head into @call (slices of the head; ->data is left empty) and @body. Otherwise what is to be
 * answered: 400 (ambiguous length, Origin or Idempotency-Key), 401 (Authorization is no bearer's), 403
 * (Origin), 404 (no such path), 405 (not POST), 413 (a body over @most, without a token over
 * @strange_most), 415 (no JSON), 417 (an expectation), 501 (a transfer coding). @waits: the client sends the
 * body when it is told 100.
 */
[[gnu::warn_unused_result]] const struct http_refusal *
http_api_read(const struct http_request *request, const struct handshake_options *options, uint64_t most,
              uint64_t strange_most, struct http_call *call, struct http_body *body, bool *waits);

#endif
