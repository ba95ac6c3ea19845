#include "worker/net/handshake.h"

#include <http_parser.h>
#include <stdint.h>

#include "worker/net/accept_key.h"
#include "worker/net/http_text.h"

struct header {
    struct slice name, value;
};

/* What http-parser reported of a head: slices of the head itself. */
struct request {
    struct slice target;
    struct header headers[HANDSHAKE_HEADERS_MOST];
    size_t header_count;
    bool in_value; /* the last thing reported was a value: the next name begins a header */
    bool too_many;
};

struct refusal {
    const char *status, *more, *text; /* @more: further header lines, each with its CRLF */
};

static const struct refusal MALFORMED = {"400 Bad Request", "", "This is not a WebSocket handshake."};
static const struct refusal BAD_TOKEN = {"400 Bad Request", "", "The token is too long."};
static const struct refusal BAD_PROTOCOL = {"400 Bad Request", "", "The subprotocol here is dispatchd.1."};
static const struct refusal BAD_ORIGIN = {"403 Forbidden", "", "Pages of this origin may not connect."};
static const struct refusal NO_SUCH_PATH = {"404 Not Found", "",
                                            "There is nothing here; WebSocket is at /ws."};
static const struct refusal NOT_GET = {"405 Method Not Allowed", "Allow: GET\r\n",
                                       "Only GET is possible here."};
static const struct refusal NO_UPGRADE = {"426 Upgrade Required",
                                          "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
                                          "Connect with WebSocket, version 13."};
static const struct refusal TOO_LARGE = {"431 Request Header Fields Too Large", "",
                                         "The request's head is too large."};

/*
 * Where the head ends: the length with its empty line, or 0 when that has not come. What http-parser would
 * let pass is refused on the way (RFC 9112 sections 2.2 and 5.2): bare CR or LF, folded lines, and what does
 * not begin like a request at all, so that a foreign protocol is answered before its deadline.
 */
static size_t head_length(struct slice bytes, bool *malformed)
{
    *malformed = bytes.length > 0 && (bytes.data[0] < 'A' || bytes.data[0] > 'Z');
    size_t line = 0;
    while (!*malformed && line < bytes.length) {
        const char *start = bytes.data + line;
        const char *feed = memchr(start, '\n', bytes.length - line);
        size_t length = feed ? (size_t)(feed - start) : bytes.length - line;
        const char *carriage = memchr(start, '\r', length);
        bool folded = line > 0 && (*start == ' ' || *start == '\t');
        if (!feed) {
            *malformed = folded || (carriage && carriage != start + length - 1);
            return 0;
        }
        *malformed = folded || !carriage || carriage != feed - 1;
        line += length + 1;
        if (length == 1)
            return *malformed ? 0 : line;
    }
    return 0;
}

/* http-parser may report one text in pieces; they follow each other in memory. */
static void extend(struct slice *slice, const char *at, size_t length)
{
    if (!slice->data)
        *slice = slice_of(at, length);
    else
        slice->length = (size_t)(at + length - slice->data);
}

static int on_url(http_parser *parser, const char *at, size_t length)
{
    extend(&((struct request *)parser->data)->target, at, length);
    return 0;
}

static int on_header_field(http_parser *parser, const char *at, size_t length)
{
    struct request *request = parser->data;
    if (request->header_count == 0 || request->in_value) {
        request->too_many = request->header_count == HANDSHAKE_HEADERS_MOST;
        if (request->too_many)
            return 1;
        request->headers[request->header_count++] = (struct header){0};
    }
    request->in_value = false;
    extend(&request->headers[request->header_count - 1].name, at, length);
    return 0;
}

static int on_header_value(http_parser *parser, const char *at, size_t length)
{
    struct request *request = parser->data;
    request->in_value = true;
    extend(&request->headers[request->header_count - 1].value, at, length);
    return 0;
}

static int on_headers_complete(http_parser *parser)
{
    (void)parser;
    return 2; /* "no body, and what follows is another protocol" */
}

static bool request_read(struct request *request, http_parser *parser, struct slice head)
{
    static const http_parser_settings settings = {.on_url = on_url,
                                                  .on_header_field = on_header_field,
                                                  .on_header_value = on_header_value,
                                                  .on_headers_complete = on_headers_complete};
    http_parser_init(parser, HTTP_REQUEST);
    parser->data = request;
    size_t used = http_parser_execute(parser, &settings, head.data, head.length);
    return parser->http_errno == HPE_OK && used == head.length;
}

/* The value of the only header of that name; absent when there is none, or more than one (@count says). */
static struct slice only_header(const struct request *request, struct slice name, size_t *count)
{
    struct slice value = {0};
    *count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        if (http_same(request->headers[i].name, name)) {
            value = request->headers[i].value;
            (*count)++;
        }
    }
    return *count == 1 ? value : slice_of(NULL, 0);
}

/* Whether @token is in a comma-separated header, which may stand in several lines. @listed counts all
 * elements. */
static bool list_has(const struct request *request, struct slice name, struct slice token, size_t *listed)
{
    bool found = false;
    *listed = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        if (!http_same(request->headers[i].name, name))
            continue;
        struct slice list = request->headers[i].value, element;
        while (http_next_element(&list, ',', &element)) {
            (*listed)++;
            found = found || http_same(element, token);
        }
    }
    return found;
}

/* Trims the values; false for names that are no tokens ("Host :") and for control characters in values. */
static bool headers_are_strict(struct request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct header *header = &request->headers[i];
        if (!http_is_token(header->name))
            return false;
        if (!header->value.data)
            header->value = SLICE("");
        header->value = http_trim(header->value);
        for (size_t j = 0; j < header->value.length; j++) {
            unsigned char byte = (unsigned char)header->value.data[j];
            if ((byte < 0x20 && byte != '\t') || byte == 0x7F)
                return false;
        }
    }
    return true;
}

/* RFC 9112 section 3.2: exactly one Host. A handshake has no body. */
static bool request_is_sound(const struct request *request, struct slice *host)
{
    size_t count;
    *host = only_header(request, SLICE("Host"), &count);
    if (!host->length || memchr(host->data, ' ', host->length) || memchr(host->data, ',', host->length))
        return false;
    struct slice body = only_header(request, SLICE("Content-Length"), &count);
    if (count > 1 || (count == 1 && !slice_equal(body, SLICE("0"))))
        return false;
    only_header(request, SLICE("Transfer-Encoding"), &count);
    return count == 0;
}

static bool path_is_ours(const struct request *request)
{
    struct http_parser_url url;
    http_parser_url_init(&url);
    if (http_parser_parse_url(request->target.data, request->target.length, 0, &url) != 0 ||
        !(url.field_set & 1 << UF_PATH) || url.field_set & 1 << UF_FRAGMENT)
        return false;
    return slice_equal(
        slice_of(request->target.data + url.field_data[UF_PATH].off, url.field_data[UF_PATH].len),
        SLICE("/ws"));
}

/* 16 bytes in base64, RFC 6455 section 4.2.1, item 5. */
static bool key_is_good(struct slice key)
{
    if (key.length != CLIENT_KEY_LENGTH || memcmp(key.data + CLIENT_KEY_LENGTH - 2, "==", 2) != 0)
        return false;
    for (size_t i = 0; i < CLIENT_KEY_LENGTH - 2; i++) {
        char byte = key.data[i];
        bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
        if (!letter && (byte < '0' || byte > '9') && byte != '+' && byte != '/')
            return false;
    }
    return true;
}

static const struct refusal *check_upgrade(const struct request *request, struct slice *key)
{
    size_t count;
    if (!list_has(request, SLICE("Connection"), SLICE("upgrade"), &count) ||
        !list_has(request, SLICE("Upgrade"), SLICE("websocket"), &count))
        return &NO_UPGRADE;
    struct slice version = only_header(request, SLICE("Sec-WebSocket-Version"), &count);
    if (count > 1)
        return &MALFORMED;
    if (!slice_equal(version, SLICE("13")))
        return &NO_UPGRADE;
    *key = only_header(request, SLICE("Sec-WebSocket-Key"), &count);
    return key_is_good(*key) ? NULL : &MALFORMED;
}

static bool origin_is_allowed(const struct handshake_options *options, struct slice origin, struct slice host)
{
    if (http_origin_is_host(origin, host))
        return true;
    for (size_t i = 0; i < options->origin_count; i++) {
        if (http_same(origin, slice_text(options->origins[i])))
            return true;
    }
    return false;
}

/* "Bearer TOKEN" (RFC 6750), else the cookie (RFC 6265). The first cookie of that name counts. */
static struct slice find_token(const struct request *request)
{
    struct slice cookie = {0};
    for (size_t i = 0; i < request->header_count; i++) {
        struct slice name = request->headers[i].name, value = request->headers[i].value, pair;
        struct slice bearer = SLICE("Bearer ");
        if (http_same(name, SLICE("Authorization")) && value.length > bearer.length &&
            http_same(slice_of(value.data, bearer.length), bearer))
            return http_trim(slice_of(value.data + bearer.length, value.length - bearer.length));
        if (!http_same(name, SLICE("Cookie")))
            continue;
        struct slice ours = SLICE("dispatchd_token=");
        while (!cookie.data && http_next_element(&value, ';', &pair)) {
            if (pair.length >= ours.length && memcmp(pair.data, ours.data, ours.length) == 0)
                cookie = slice_of(pair.data + ours.length, pair.length - ours.length);
        }
    }
    return cookie;
}

static bool take_token(const struct request *request, struct handshake *handshake)
{
    struct slice token = find_token(request);
    if (token.length > HANDSHAKE_TOKEN_MOST)
        return false;
    if (token.length)
        memcpy(handshake->token, token.data, token.length);
    handshake->token[token.length] = '\0';
    return true;
}

/* The name ends up in documents and logs: whatever is not plain ASCII is shown as '?'. */
static void take_browser(const struct request *request, struct handshake *handshake)
{
    size_t count;
    struct slice agent = only_header(request, SLICE("User-Agent"), &count);
    size_t length =
        agent.length < sizeof handshake->browser - 1 ? agent.length : sizeof handshake->browser - 1;
    for (size_t i = 0; i < length; i++)
        handshake->browser[i] = (char)(agent.data[i] >= ' ' && agent.data[i] <= '~' ? agent.data[i] : '?');
    handshake->browser[length] = '\0';
}

static enum handshake_result refuse(const struct refusal *refusal, struct buffer *response)
{
    buffer_append_format(response,
                         "HTTP/1.1 %s\r\nConnection: %sclose\r\n%sContent-Type: text/plain\r\n"
                         "Content-Length: %zu\r\n\r\n%s\n",
                         refusal->status, refusal == &NO_UPGRADE ? "Upgrade, " : "", refusal->more,
                         strlen(refusal->text) + 1, refusal->text);
    return HANDSHAKE_REFUSED;
}

static void accept_request(struct slice key, bool with_protocol, struct buffer *response)
{
    char accept[ACCEPT_KEY_LENGTH + 1];
    accept_key(key, accept);
    buffer_append_text(response,
                       "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Accept: ");
    buffer_append(response, accept, ACCEPT_KEY_LENGTH);
    if (with_protocol)
        buffer_append_text(response, "\r\nSec-WebSocket-Protocol: dispatchd.1");
    buffer_append_text(response, "\r\n\r\n");
}

/* RFC 6455 section 4.2.1, in the order in which the answers are useful to the client. */
static const struct refusal *check_request(const struct handshake_options *options, const http_parser *parser,
                                           struct request *request, struct slice *key, bool *with_protocol)
{
    struct slice host;
    size_t count;
    if (!headers_are_strict(request) || !request_is_sound(request, &host) || parser->http_major != 1 ||
        parser->http_minor != 1)
        return &MALFORMED;
    if (parser->method != HTTP_GET)
        return &NOT_GET;
    if (!options->accept_any_path && !path_is_ours(request))
        return &NO_SUCH_PATH;
    const struct refusal *refusal = check_upgrade(request, key);
    if (refusal)
        return refusal;
    struct slice origin = only_header(request, SLICE("Origin"), &count);
    if (count > 1)
        return &MALFORMED;
    if (count == 1 && !origin_is_allowed(options, origin, host))
        return &BAD_ORIGIN;
    *with_protocol = list_has(request, SLICE("Sec-WebSocket-Protocol"), SLICE("dispatchd.1"), &count);
    return count > 0 && !*with_protocol ? &BAD_PROTOCOL : NULL;
}

enum handshake_result handshake_parse(const struct handshake_options *options, struct slice bytes,
                                      size_t *used, struct handshake *handshake, struct buffer *response)
{
    *used = 0;
    bool malformed;
    size_t length = head_length(
        slice_of(bytes.data, bytes.length < HANDSHAKE_HEAD_MOST ? bytes.length : HANDSHAKE_HEAD_MOST),
        &malformed);
    if (malformed)
        return refuse(&MALFORMED, response);
    if (length == 0)
        return bytes.length < HANDSHAKE_HEAD_MOST ? HANDSHAKE_INCOMPLETE : refuse(&TOO_LARGE, response);

    struct request request;
    request.target = slice_of(NULL, 0);
    request.header_count = 0;
    request.in_value = request.too_many = false;
    http_parser parser;
    if (!request_read(&request, &parser, slice_of(bytes.data, length)))
        return refuse(request.too_many ? &TOO_LARGE : &MALFORMED, response);

    struct slice key = {0};
    bool with_protocol = false;
    const struct refusal *refusal = check_request(options, &parser, &request, &key, &with_protocol);
    if (refusal)
        return refuse(refusal, response);
    if (!take_token(&request, handshake))
        return refuse(&BAD_TOKEN, response);
    take_browser(&request, handshake);
    accept_request(key, with_protocol, response);
    *used = length;
    return HANDSHAKE_ACCEPTED;
}
