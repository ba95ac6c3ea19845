#ifndef WORKER_NET_HTTP_HTTP_REQUEST_H
#define WORKER_NET_HTTP_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/slice.h"

/*
 * The head of an HTTP/1.1 request (RFC 9112) on top of http-parser, for the WebSocket handshake and for plain
 * HTTP alike: pure functions of bytes, no socket. What http-parser lets through and a server must not
 * (duplicate or missing Host, bare LF, folded headers, "Host :", HTTP/1.0) is refused here.
 */

enum { HTTP_HEAD_MOST = 8192, HTTP_HEADERS_MOST = 100, HTTP_TOKEN_MOST = 256 };

struct http_header {
    struct slice name, value; /* the value trimmed */
};

/* Slices of the head itself. */
struct http_request {
    struct slice method; /* "GET"; one that http-parser knows */
    struct slice target;
    struct slice path; /* of the target, without its query, as it came; absent: it has none */
    struct slice host;
    struct http_header headers[HTTP_HEADERS_MOST];
    size_t header_count;
};

enum http_request_result {
    HTTP_REQUEST_INCOMPLETE, /* more bytes are needed */
    HTTP_REQUEST_MALFORMED,  /* 400 */
    HTTP_REQUEST_TOO_LARGE,  /* 431: over HTTP_HEAD_MOST bytes or HTTP_HEADERS_MOST headers */
    HTTP_REQUEST_COMPLETE    /* @used bytes are the head; its body, or another protocol, follows */
};

/** Looks at all bytes received so far of a request, from its first one. */
enum http_request_result http_request_parse(struct slice bytes, size_t *used, struct http_request *request);

/** The value of the only header of that name; absent when there is none, or more than one (@count says). */
struct slice http_request_only(const struct http_request *request, struct slice name, size_t *count);

/** Whether @token is in a comma-separated header, which may stand in several lines. @listed counts all its
 * elements. */
bool http_request_lists(const struct http_request *request, struct slice name, struct slice token,
                        size_t *listed);

enum http_origin { HTTP_ORIGIN_FINE, HTTP_ORIGIN_FOREIGN, HTTP_ORIGIN_TWICE };

/** Fine: no Origin, the Host's own (of the scheme that a proxy says, if one does), or one of @origins. */
enum http_origin http_request_origin(const struct http_request *request, char *const *origins, size_t count);

/** The token of "Bearer TOKEN" (RFC 6750), the value of an Authorization header; absent: it is another. */
struct slice http_bearer(struct slice authorization);

enum http_framing {
    HTTP_FRAMING_LENGTH,    /* @length bytes follow; 0 when the head says nothing of a body */
    HTTP_FRAMING_CHUNKED,   /* Transfer-Encoding: chunked */
    HTTP_FRAMING_AMBIGUOUS, /* 400: both, or a length that is malformed or is given twice */
    HTTP_FRAMING_UNKNOWN    /* 501: another transfer coding */
};

/** How long the body is, RFC 9112 section 6.3. */
enum http_framing http_request_framing(const struct http_request *request, uint64_t *length);

#endif
