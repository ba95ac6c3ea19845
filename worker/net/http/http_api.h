#ifndef WORKER_NET_HTTP_HTTP_API_H
#define WORKER_NET_HTTP_HTTP_API_H

#include "worker/net/handshake.h"
#include "worker/net/http/http_body.h"
#include "worker/net/http/http_origin.h"
#include "worker/net/http/http_refusals.h"

/*
 * Requests that are no handshake: POST /api/COLLECTION/METHOD, and OPTIONS of every path. What the head of one
 * must say, without a socket. The token comes in Authorization: a browser adds that to no request of another
 * site's page. It would add a cookie, so that counts only when the page is of the server's own origin.
 */

enum { HTTP_KEY_MOST = 128 };

/** A call as it came over HTTP. */
struct http_call {
    struct slice collection, method;
    struct slice token; /* absent: none */
    struct slice once;  /* Idempotency-Key; absent: none */
    struct slice data;  /* the content: JSON; empty: none */
    bool by_cookie;     /* ->token is a cookie's: one that is not valid any more is as good as none */
    enum http_page page;
};

/** What a request asks for, as far as its head says it. */
struct http_asked {
    struct http_call call; /* slices of the head; ->data is left empty */
    struct http_body body;
    enum http_origin from;
    struct slice origin; /* of a page of another origin that may read the answer; absent: there is none */
    const char *offered; /* header lines of the answer to OPTIONS, which is answered with 204; NULL: a call */
    bool waits;          /* the client sends the body when it is told 100 */
};

/** How large a body may be. */
struct http_bounds {
    uint64_t most;         /* with a token */
    uint64_t strange_most; /* without */
};

/**
 * Reads the head. Otherwise what is to be answered, and in @asked only ->from and ->origin are right: 400
 * (ambiguous length, Origin or Idempotency-Key), 401 (Authorization is no bearer's), 403 (Origin), 404 (no
 * such path), 405 (not POST), 413 (a body that is too large), 415 (no JSON), 417 (an expectation), 501 (a
 * transfer coding).
 */
[[gnu::warn_unused_result]] const struct http_refusal *http_api_read(const struct http_request *request,
                                                                     const struct handshake_options *options,
                                                                     const struct http_bounds *bounds,
                                                                     struct http_asked *asked);

#endif
