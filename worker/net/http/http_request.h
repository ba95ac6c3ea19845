#ifndef WORKER_NET_HTTP_HTTP_REQUEST_H
#define WORKER_NET_HTTP_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/slice.h"

/*
 * The head of a request of HTTP/1.1 or HTTP/1.0 (RFC 9112) on top of http-parser, for the WebSocket handshake
 * and for plain HTTP alike: pure functions of bytes, no socket. What http-parser lets through and a server
 * must not (duplicate or missing Host, a Host that is none, bare LF, folded headers, "Host :") is refused
 * here.
 */

enum { HTTP_HEAD_MOST = 8192, HTTP_HEADERS_MOST = 100, HTTP_TOKEN_MOST = 256 };
enum { HTTP_EMPTY_LINES_MOST = 8 }; /* that are passed over before a request */

struct http_header {
    struct slice name, value; /* the value trimmed */
};

enum http_scheme { HTTP_SCHEME_UNKNOWN, HTTP_SCHEME_HTTP, HTTP_SCHEME_HTTPS };

/* Slices of the head itself. */
struct http_request {
    struct slice method; /* "GET"; also of one that is refused, as far as it has come; absent: it has none */
    struct slice target;
    struct slice path; /* of the target, without its query, as it came; "*"; absent: it has none */
    struct slice host; /* of the target, when that is absolute, else Host; empty: HTTP/1.0 that says none */
    enum http_scheme target_scheme; /* when it is absolute */
    bool old;                       /* HTTP/1.0 */
    struct http_header headers[HTTP_HEADERS_MOST];
    size_t header_count;
};

enum http_request_result {
    HTTP_REQUEST_INCOMPLETE,      /* more bytes are needed */
    HTTP_REQUEST_MALFORMED,       /* 400 */
    HTTP_REQUEST_TOO_LARGE,       /* 431: over HTTP_HEAD_MOST bytes or HTTP_HEADERS_MOST headers */
    HTTP_REQUEST_UNKNOWN_METHOD,  /* 501: none of RFC 9110 section 9.3 (nor CONNECT), or PATCH */
    HTTP_REQUEST_UNKNOWN_VERSION, /* 505: neither HTTP/1.0 nor HTTP/1.x */
    HTTP_REQUEST_COMPLETE         /* @used bytes are the head; its body, or another protocol, follows */
};

/** Looks at all bytes received so far of a request, from its first one. Empty lines before it are passed over
 * (RFC 9112 section 2.2), HTTP_EMPTY_LINES_MOST of them. */
enum http_request_result http_request_parse(struct slice bytes, size_t *used, struct http_request *request);

/** The value of the only header of that name; absent when there is none, or more than one (@count says). */
struct slice http_request_only(const struct http_request *request, struct slice name, size_t *count);

/** Whether @token is in a comma-separated header, which may stand in several lines. @listed counts all its
 * elements. */
bool http_request_lists(const struct http_request *request, struct slice name, struct slice token,
                        size_t *listed);

/** The scheme that the client uses: what the outermost proxy says in X-Forwarded-Proto, or else an absolute
 * target. */
enum http_scheme http_request_scheme(const struct http_request *request);

/** The first cookie of that name (RFC 6265); absent when there is none. */
struct slice http_request_cookie(const struct http_request *request, struct slice name);

/** The token of "Bearer TOKEN" (RFC 6750), the value of an Authorization header; absent: it is another. */
struct slice http_bearer(struct slice authorization);

enum http_framing {
    HTTP_FRAMING_LENGTH,    /* @length bytes follow; 0 when the head says nothing of a body */
    HTTP_FRAMING_CHUNKED,   /* Transfer-Encoding: chunked */
    HTTP_FRAMING_AMBIGUOUS, /* 400: both, a length that is malformed or is given twice, a coding in HTTP/1.0 */
    HTTP_FRAMING_UNKNOWN    /* 501: another transfer coding */
};

/** How long the body is, RFC 9112 section 6.3. */
enum http_framing http_request_framing(const struct http_request *request, uint64_t *length);

#endif
