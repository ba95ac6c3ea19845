#include "worker/net/http/http_origin.h"

#include "worker/net/http/http_text.h"

/* Cuts an Origin in pieces: what is left of it is the host. False: its scheme is neither http nor https. */
static bool cut_origin(struct slice *origin, enum http_scheme *scheme, struct slice *port)
{
    if (http_cut_prefix(origin, SLICE("http://")))
        *scheme = HTTP_SCHEME_HTTP;
    else if (http_cut_prefix(origin, SLICE("https://")))
        *scheme = HTTP_SCHEME_HTTPS;
    else
        return false;
    *port = http_cut_port(origin);
    return true;
}

static bool same_port(struct slice a, struct slice b, enum http_scheme scheme)
{
    struct slice usual = scheme == HTTP_SCHEME_HTTP ? SLICE("80") : SLICE("443");
    return slice_equal(a.length ? a : usual, b.length ? b : usual);
}

/*
 * Whether an Origin ("https://lab.example:8443") is the server's own, named in Host ("lab.example:8443"): same
 * host and port, a missing port being the scheme's, and the scheme that is @said to be ours; unknown: http or
 * https.
 */
static bool is_own(struct slice origin, struct slice host, enum http_scheme said)
{
    enum http_scheme scheme;
    struct slice port, host_port = http_cut_port(&host);
    return cut_origin(&origin, &scheme, &port) && (said == HTTP_SCHEME_UNKNOWN || said == scheme) &&
           origin.length && http_same(origin, host) && same_port(port, host_port, scheme);
}

/* Whether two Origins are the same (RFC 6454 section 5), a missing port being the scheme's. */
static bool are_same(struct slice a, struct slice b)
{
    enum http_scheme scheme_a, scheme_b;
    struct slice host_a = a, host_b = b, port_a, port_b;
    if (!cut_origin(&host_a, &scheme_a, &port_a) || !cut_origin(&host_b, &scheme_b, &port_b))
        return http_same(a, b);
    return scheme_a == scheme_b && http_same(host_a, host_b) && same_port(port_a, port_b, scheme_a);
}

enum http_origin http_origin_of(const struct http_request *request, char *const *origins, size_t count,
                                struct slice *value)
{
    size_t said;
    *value = http_request_only(request, SLICE("Origin"), &said);
    if (said == 0)
        return HTTP_ORIGIN_NONE;
    if (said > 1)
        return HTTP_ORIGIN_TWICE;
    for (size_t i = 0; i < count; i++) {
        if (are_same(*value, slice_text(origins[i])))
            return HTTP_ORIGIN_LISTED;
    }
    return is_own(*value, request->host, http_request_scheme(request)) ? HTTP_ORIGIN_OWN
                                                                       : HTTP_ORIGIN_FOREIGN;
}

enum http_page http_origin_page(const struct http_request *request)
{
    size_t count;
    struct slice site = http_request_only(request, SLICE("Sec-Fetch-Site"), &count), origin;
    if (count > 0)
        return http_same(site, SLICE("same-origin")) ? HTTP_PAGE_OWN : HTTP_PAGE_OTHER;
    switch (http_origin_of(request, NULL, 0, &origin)) {
    case HTTP_ORIGIN_NONE:
        return HTTP_PAGE_NONE;
    case HTTP_ORIGIN_OWN:
        return HTTP_PAGE_OWN;
    case HTTP_ORIGIN_LISTED:
    case HTTP_ORIGIN_FOREIGN:
    case HTTP_ORIGIN_TWICE:
        break;
    }
    return HTTP_PAGE_OTHER;
}

bool http_origin_is_plausible(struct slice origin)
{
    size_t scheme = 0;
    if (slice_equal(origin, SLICE("null")))
        return true;
    if (!origin.data)
        return false;
    while (scheme < origin.length && origin.data[scheme] != ':')
        scheme++;
    struct slice rest = slice_of(origin.data + scheme, origin.length - scheme);
    return http_is_token(slice_of(origin.data, scheme)) && http_cut_prefix(&rest, SLICE("://")) &&
           http_is_host(rest);
}

bool http_origin_is_loopback(struct slice origin)
{
    enum http_scheme scheme;
    struct slice port;
    return cut_origin(&origin, &scheme, &port) &&
           (http_same(origin, SLICE("localhost")) || http_same(origin, SLICE("127.0.0.1")) ||
            http_same(origin, SLICE("[::1]")));
}
