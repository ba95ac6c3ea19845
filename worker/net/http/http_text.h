#ifndef WORKER_NET_HTTP_HTTP_TEXT_H
#define WORKER_NET_HTTP_HTTP_TEXT_H

#include <stdbool.h>

#include "shared/base/slice.h"

/* Small questions about the text of HTTP headers (RFC 9110 section 5.6). Nothing is copied. */

/** Without spaces and tabs at either end. */
struct slice http_trim(struct slice text);

/** Letters compared without case. */
bool http_same(struct slice a, struct slice b);

/** Whether all bytes are token characters, and there is at least one. */
bool http_is_token(struct slice text);

/** Cuts the next element off a list whose elements are separated by @separator; false at the end. Empty
 * elements are skipped; what it gives is trimmed. */
bool http_next_element(struct slice *list, char separator, struct slice *element);

enum http_scheme { HTTP_SCHEME_UNKNOWN, HTTP_SCHEME_HTTP, HTTP_SCHEME_HTTPS };

/**
 * Whether an Origin ("https://lab.example:8443") is the server's own, named in Host ("lab.example:8443"):
 * same host and port, a missing port being the scheme's, and the scheme that is @said to be ours; unknown:
 * http or https.
 */
bool http_origin_is_host(struct slice origin, struct slice host, enum http_scheme said);

/** Whether two Origins are the same (RFC 6454 section 5), a missing port being the scheme's. */
bool http_origin_same(struct slice a, struct slice b);

#endif
