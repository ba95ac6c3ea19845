#include "worker/net/http/http_text.h"

#include <strings.h>

struct slice http_trim(struct slice text)
{
    while (text.length && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.length--;
    }
    while (text.length && (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\t'))
        text.length--;
    return text;
}

bool http_same(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || strncasecmp(a.data, b.data, a.length) == 0);
}

bool http_is_token(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
        bool digit = byte >= '0' && byte <= '9';
        if (!letter && !digit && (byte == 0 || !strchr("!#$%&'*+-.^_`|~", byte)))
            return false;
    }
    return text.length > 0;
}

bool http_next_element(struct slice *list, char separator, struct slice *element)
{
    while (list->length) {
        const char *end = memchr(list->data, separator, list->length);
        size_t length = end ? (size_t)(end - list->data) : list->length;
        *element = http_trim(slice_of(list->data, length));
        size_t used = end ? length + 1 : length;
        list->data += used;
        list->length -= used;
        if (element->length)
            return true;
    }
    return false;
}

static bool cut_prefix(struct slice *text, struct slice prefix)
{
    if (text->length < prefix.length || !http_same(slice_of(text->data, prefix.length), prefix))
        return false;
    text->data += prefix.length;
    text->length -= prefix.length;
    return true;
}

/* Cuts ":PORT" off the end, but leaves the colons of "[v6]" alone; absent when there is none. */
static struct slice cut_port(struct slice *host)
{
    for (size_t i = host->length; i > 0; i--) {
        char byte = host->data[i - 1];
        if (byte == ':') {
            struct slice port = slice_of(host->data + i, host->length - i);
            host->length = i - 1;
            return port;
        }
        if (byte < '0' || byte > '9')
            break;
    }
    return slice_of(NULL, 0);
}

/* Cuts an Origin in pieces: what is left of it is the host. False: its scheme is neither http nor https. */
static bool cut_origin(struct slice *origin, enum http_scheme *scheme, struct slice *port)
{
    if (cut_prefix(origin, SLICE("http://")))
        *scheme = HTTP_SCHEME_HTTP;
    else if (cut_prefix(origin, SLICE("https://")))
        *scheme = HTTP_SCHEME_HTTPS;
    else
        return false;
    *port = cut_port(origin);
    return true;
}

static bool same_port(struct slice a, struct slice b, enum http_scheme scheme)
{
    struct slice usual = scheme == HTTP_SCHEME_HTTP ? SLICE("80") : SLICE("443");
    return slice_equal(a.length ? a : usual, b.length ? b : usual);
}

bool http_origin_is_host(struct slice origin, struct slice host, enum http_scheme said)
{
    enum http_scheme scheme;
    struct slice port, host_port = cut_port(&host);
    return cut_origin(&origin, &scheme, &port) && (said == HTTP_SCHEME_UNKNOWN || said == scheme) &&
           origin.length && http_same(origin, host) && same_port(port, host_port, scheme);
}

bool http_origin_same(struct slice a, struct slice b)
{
    enum http_scheme scheme_a, scheme_b;
    struct slice host_a = a, host_b = b, port_a, port_b;
    if (!cut_origin(&host_a, &scheme_a, &port_a) || !cut_origin(&host_b, &scheme_b, &port_b))
        return http_same(a, b);
    return scheme_a == scheme_b && http_same(host_a, host_b) && same_port(port_a, port_b, scheme_a);
}
