#ifndef WORKER_NET_HTTP_HTTP_RESPONSE_H
#define WORKER_NET_HTTP_HTTP_RESPONSE_H

#include "shared/base/buffer.h"
#include "shared/base/error_code.h"
#include "shared/base/slice.h"

/* What is said in answer to a request that is no handshake. */

struct http_response {
    const char *status; /* "200 OK" */
    const char *more;   /* further header lines, each with its CRLF; "" */
    const char *type;   /* of the content: "application/json" */
    struct slice content;
};

/** Answers a request that nobody has worked on: {"warning":true,"code":...,"message":...}. */
struct http_refusal {
    const char *status, *more;
    enum error_code code;
    const char *text; /* for people; without characters that JSON escapes */
};

/** Nothing of it may be kept by caches. @last: the connection is closed behind it. @head_only: it answers
 * HEAD, and has no content. */
void http_response_append(struct buffer *out, const struct http_response *response, bool last,
                          bool head_only);

void http_refusal_append(struct buffer *out, const struct http_refusal *refusal, bool head_only);

#endif
