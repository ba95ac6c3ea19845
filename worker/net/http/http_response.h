#ifndef WORKER_NET_HTTP_HTTP_RESPONSE_H
#define WORKER_NET_HTTP_HTTP_RESPONSE_H

#include <stdbool.h>

#include "shared/base/buffer.h"
#include "shared/base/error_code.h"
#include "shared/base/slice.h"

/* What is said in answer to a request. */

struct http_response {
    const char *status; /* "200 OK" */
    const char *more;   /* further header lines, each with its CRLF; "" */
    const char *type;   /* of the content: "application/json"; NULL: there is none, as with 204 */
    struct slice content;
    const char *token; /* what the cookie dispatchd_token becomes; "": it is cleared; NULL: it stays */
};

/** Answers a request that nobody has worked on: {"warning":true,"code":...,"message":...}. */
struct http_refusal {
    const char *status, *more;
    enum error_code code;
    const char *text; /* for people; without characters that JSON escapes */
};

/** How it is said, which is the request's matter. */
struct http_manner {
    bool last;           /* the connection is closed behind it */
    bool says_lasting;   /* otherwise: a client that speaks HTTP/1.0 has to be told that it is not */
    bool upgrade;        /* an Upgrade is among the header lines */
    bool head_only;      /* it answers HEAD: no content */
    bool secure;         /* the request came over TLS, as far as is known: so shall the cookie */
    struct slice origin; /* of a page of another origin that may read it; absent: there is none */
};

/** Nothing of it may be kept by caches. */
void http_response_append(struct buffer *out, const struct http_response *response,
                          const struct http_manner *manner);

/** @manner->last counts as set. */
void http_refusal_append(struct buffer *out, const struct http_refusal *refusal,
                         const struct http_manner *manner);

/** Appends the header line Date. */
void http_response_append_date(struct buffer *out);

#endif
