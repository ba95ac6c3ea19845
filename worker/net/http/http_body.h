#ifndef WORKER_NET_HTTP_HTTP_BODY_H
#define WORKER_NET_HTTP_HTTP_BODY_H

#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/base/slice.h"
#include "worker/net/http/http_request.h"

/*
 * The body of a request, RFC 9112 sections 6 and 7, as its bytes come: with Content-Length or chunked, never
 * more than a bound. Strict where leniency lets two servers see different requests in the same bytes: lines
 * of chunks end in CRLF, sizes are hexadecimal digits, chunk extensions and trailers are short. Nothing is
 * kept of these.
 */

enum { HTTP_CHUNK_LINE_MOST = 256, HTTP_TRAILERS_MOST = HTTP_HEAD_MOST };

struct http_body {
    uint64_t left;  /* bytes still to come of the body, or of the chunk; or its size as far as it is read */
    uint64_t room;  /* content that may still come */
    uint32_t line;  /* bytes of the line of a chunk's size, or of all trailers */
    uint8_t digits; /* of the size */
    uint8_t state;
};

enum http_body_result {
    HTTP_BODY_MORE,      /* all was taken, and more is to come */
    HTTP_BODY_END,       /* @used bytes were taken; what follows is another request */
    HTTP_BODY_MALFORMED, /* 400 */
    HTTP_BODY_TOO_LARGE  /* 413 */
};

/** @framing: LENGTH (with @length) or CHUNKED. False: @length is over @most already. */
[[gnu::warn_unused_result]] bool http_body_start(struct http_body *body, enum http_framing framing,
                                                 uint64_t length, uint64_t most);

/** Takes in what came; content is appended to @content, which the caller may empty at any time. Also to be
 * called with no bytes at first: an empty body ends at once. */
enum http_body_result http_body_feed(struct http_body *body, struct slice bytes, size_t *used,
                                     struct buffer *content);

#endif
