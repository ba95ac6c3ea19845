#ifndef WORKER_NET_HTTP_HTTP_REFUSALS_H
#define WORKER_NET_HTTP_HTTP_REFUSALS_H

#include "worker/net/http/http_request.h"
#include "worker/net/http/http_response.h"

/* Refusals that do not depend on what a request is meant for. */

extern const struct http_refusal http_refusal_malformed;    /* 400 */
extern const struct http_refusal http_refusal_no_such_path; /* 404, with the paths there are */

/** Of a head that did not come to be HTTP_REQUEST_COMPLETE. */
const struct http_refusal *http_refusal_of(enum http_request_result result);

#endif
