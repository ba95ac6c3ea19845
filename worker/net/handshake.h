#ifndef WORKER_NET_HANDSHAKE_H
#define WORKER_NET_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/base/buffer.h"
#include "shared/base/slice.h"
#include "worker/net/http/http_request.h"

/*
 * The opening handshake, RFC 6455 section 4.2: pure functions of a request's head, no socket. How strictly
 * the head is read is in http_request.h.
 */

enum { HANDSHAKE_TOKEN_MOST = HTTP_TOKEN_MOST };

struct handshake_options {
    char *const *origins; /* allowed beside the request's own Host */
    size_t origin_count;
    bool accept_any_path; /* the conformance echo; otherwise only /ws */
};

struct handshake {
    /* "Authorization: Bearer TOKEN" or cookie dispatchd_token; empty: none. */
    char token[HANDSHAKE_TOKEN_MOST + 1];
    char browser[128]; /* User-Agent, cut; for the list of sessions */
};

enum handshake_result {
    HANDSHAKE_INCOMPLETE, /* more bytes are needed */
    HANDSHAKE_ACCEPTED,   /* @response is the 101; what follows the head are frames already */
    HANDSHAKE_REFUSED,    /* @response is an error with Connection: close: send it, then close */
    HANDSHAKE_FOREIGN     /* the same, because of the page's Origin */
};

/** Whether a request is for a WebSocket, well made or not. */
bool handshake_is_meant(const struct http_request *request);

/**
 * What the server says to a request (@result: what http_request_parse() found). Appends the HTTP response to
 * @response unless incomplete: 101; 400 (malformed, or only foreign subprotocols offered); 403 (Origin); 404
 * (another path); 405 (not GET); 426 with Upgrade and Sec-WebSocket-Version: 13 (no upgrade asked, another
 * version, or HTTP/1.0); 431 (head too large); 501 (a method nobody knows); 505 (not HTTP/1).
 */
enum handshake_result handshake_answer(const struct handshake_options *options,
                                       enum http_request_result result, const struct http_request *request,
                                       struct handshake *handshake, struct buffer *response);

/** The same, from all bytes received so far. @used is what the head had of them when it was accepted. */
enum handshake_result handshake_parse(const struct handshake_options *options, struct slice bytes,
                                      size_t *used, struct handshake *handshake, struct buffer *response);

#endif
