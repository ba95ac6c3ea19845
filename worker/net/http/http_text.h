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

/** Cuts @prefix off, letters compared without case. False: it does not begin so. */
bool http_cut_prefix(struct slice *text, struct slice prefix);

/** Cuts ":PORT" off the end, but leaves the colons of "[v6]" alone; absent when there is none. */
struct slice http_cut_port(struct slice *host);

/** Whether it is a host with or without a port (RFC 3986 section 3.2), and nothing else: no path, no user. */
bool http_is_host(struct slice text);

#endif
