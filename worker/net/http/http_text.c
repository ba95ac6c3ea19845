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

bool http_cut_prefix(struct slice *text, struct slice prefix)
{
    if (text->length < prefix.length || !http_same(slice_of(text->data, prefix.length), prefix))
        return false;
    text->data += prefix.length;
    text->length -= prefix.length;
    return true;
}

struct slice http_cut_port(struct slice *host)
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

/* unreserved, pct-encoded and sub-delims of RFC 3986, but for the comma: that may be two in one. */
static bool is_name_byte(unsigned char byte)
{
    bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
    return letter || (byte >= '0' && byte <= '9') || (byte && strchr("-._~%!$&'()*+;=", byte));
}

static bool is_address_byte(unsigned char byte)
{
    bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'f';
    return letter || (byte >= '0' && byte <= '9') || byte == ':' || byte == '.';
}

bool http_is_host(struct slice text)
{
    (void)http_cut_port(&text);
    bool address = text.length > 2 && text.data[0] == '[' && text.data[text.length - 1] == ']';
    if (address)
        text = slice_of(text.data + 1, text.length - 2);
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (address ? !is_address_byte(byte) : !is_name_byte(byte))
            return false;
    }
    return text.length > 0;
}
