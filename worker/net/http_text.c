#include "worker/net/http_text.h"

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

bool http_origin_is_host(struct slice origin, struct slice host)
{
    struct slice usual_port;
    if (cut_prefix(&origin, SLICE("http://")))
        usual_port = SLICE("80");
    else if (cut_prefix(&origin, SLICE("https://")))
        usual_port = SLICE("443");
    else
        return false;
    struct slice origin_port = cut_port(&origin);
    struct slice host_port = cut_port(&host);
    if (!origin_port.length)
        origin_port = usual_port;
    if (!host_port.length)
        host_port = usual_port;
    return origin.length && http_same(origin, host) && slice_equal(origin_port, host_port);
}
