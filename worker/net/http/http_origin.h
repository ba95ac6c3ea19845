#ifndef WORKER_NET_HTTP_HTTP_ORIGIN_H
#define WORKER_NET_HTTP_HTTP_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "worker/net/http/http_request.h"

/*
 * Where the page is from that made a browser send a request (RFC 6454), and what that page may do: pages of
 * the server's own origin and of those that are configured may call and read, all others nothing. Cookies are
 * the browser's, whichever page it is: with them only pages of the own origin may call.
 */

enum http_origin {
    HTTP_ORIGIN_NONE,    /* none is said: most likely it is no browser */
    HTTP_ORIGIN_OWN,     /* that of the Host, and of the scheme that is known, if one is */
    HTTP_ORIGIN_LISTED,  /* one of those that are configured; it may be the own one as well */
    HTTP_ORIGIN_FOREIGN, /* another */
    HTTP_ORIGIN_TWICE    /* there are several */
};

/** @value: what it says; absent when there is none, or several. */
enum http_origin http_origin_of(const struct http_request *request, char *const *origins, size_t count,
                                struct slice *value);

enum http_page {
    HTTP_PAGE_NONE, /* no page: it is no browser, as far as can be told */
    HTTP_PAGE_OWN,  /* a page of the origin that the browser sends the request to */
    HTTP_PAGE_OTHER
};

/** What the browser itself says of the page (Sec-Fetch-Site, which knows the scheme and the port whatever a
 * proxy made of Host), or one that says nothing by Origin. */
enum http_page http_origin_page(const struct http_request *request);

/** Whether a text looks like an origin: "null", or a scheme and a host. */
bool http_origin_is_plausible(struct slice origin);

/** Whether its host is a name of this machine: localhost, 127.0.0.1 or [::1]. */
bool http_origin_is_loopback(struct slice origin);

#endif
