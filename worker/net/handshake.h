#ifndef WORKER_NET_HANDSHAKE_H
#define WORKER_NET_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/buffer.h"
#include "shared/slice.h"

/*
 * The opening handshake, RFC 6455 section 4.2, on top of http-parser: pure functions of bytes, no socket.
 * What http-parser lets through and a server must not (duplicate or missing Host, bare LF, folded headers,
 * "Host :") is refused here. A head is at most HANDSHAKE_HEAD_MOST bytes.
 */

enum { HANDSHAKE_HEAD_MOST = 8192, HANDSHAKE_TOKEN_MOST = 256, HANDSHAKE_HEADERS_MOST = 100 };

struct handshake_options {
    char *const *origins; /* allowed beside the request's own Host */
    size_t origin_count;
    bool accept_any_path; /* the conformance echo; otherwise only /ws */
};

struct handshake {
    char token[HANDSHAKE_TOKEN_MOST +
               1];     /* "Authorization: Bearer TOKEN" or cookie dispatchd_token; empty: none */
    char browser[128]; /* User-Agent, cut; for the list of sessions */
};

enum handshake_result {
    HANDSHAKE_INCOMPLETE, /* more bytes are needed; @used is 0 */
    HANDSHAKE_ACCEPTED,   /* @response is the 101; @used bytes were the head, the rest are frames already */
    HANDSHAKE_REFUSED     /* @response is an error with Connection: close: send it, then close */
};

/**
 * Looks at all bytes received so far (from the first one). Appends the HTTP response to @response unless
 * incomplete: 101; 400 (malformed, or only foreign subprotocols offered); 403 (Origin); 404 (another path);
 * 405 (not GET); 426 with Upgrade and Sec-WebSocket-Version: 13 (no upgrade asked, or another version); 431
 * (head too large).
 */
enum handshake_result handshake_parse(const struct handshake_options *options, struct slice bytes,
                                      size_t *used, struct handshake *handshake, struct buffer *response);

#endif
