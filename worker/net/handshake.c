#include "worker/net/handshake.h"

#include "worker/net/accept_key.h"
#include "worker/net/http/http_text.h"

struct refusal {
    const char *status, *more, *text; /* @more: further header lines, each with its CRLF */
};

static const struct refusal MALFORMED = {"400 Bad Request", "", "The request is malformed."};
static const struct refusal BAD_TOKEN = {"400 Bad Request", "", "The token is too long."};
static const struct refusal BAD_PROTOCOL = {"400 Bad Request", "",
                                            "The only subprotocol here is dispatchd.1."};
static const struct refusal BAD_ORIGIN = {"403 Forbidden", "", "Pages from this origin may not connect."};
static const struct refusal NO_SUCH_PATH = {"404 Not Found", "",
                                            "There is nothing here; WebSocket is at /ws."};
static const struct refusal NOT_GET = {"405 Method Not Allowed", "Allow: GET\r\n",
                                       "Only GET is allowed here."};
static const struct refusal NO_UPGRADE = {"426 Upgrade Required",
                                          "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
                                          "Connect with WebSocket version 13."};
static const struct refusal TOO_LARGE = {"431 Request Header Fields Too Large", "",
                                         "The request's head is too large."};

/* A handshake has no body. */
static bool has_no_body(const struct http_request *request)
{
    uint64_t length;
    return http_request_framing(request, &length) == HTTP_FRAMING_LENGTH && length == 0;
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

static const struct refusal *check_upgrade(const struct http_request *request, struct slice *key)
{
    size_t count;
    if (!http_request_lists(request, SLICE("Connection"), SLICE("upgrade"), &count) ||
        !http_request_lists(request, SLICE("Upgrade"), SLICE("websocket"), &count))
        return &NO_UPGRADE;
    struct slice version = http_request_only(request, SLICE("Sec-WebSocket-Version"), &count);
    if (count > 1)
        return &MALFORMED;
    if (!slice_equal(version, SLICE("13")))
        return &NO_UPGRADE;
    *key = http_request_only(request, SLICE("Sec-WebSocket-Key"), &count);
    return key_is_good(*key) ? NULL : &MALFORMED;
}

/* "Bearer TOKEN" (RFC 6750), else the cookie (RFC 6265). The first cookie of that name counts. */
static struct slice find_token(const struct http_request *request)
{
    struct slice cookie = {0};
    for (size_t i = 0; i < request->header_count; i++) {
        struct slice name = request->headers[i].name, value = request->headers[i].value, pair;
        struct slice bearer =
            http_same(name, SLICE("Authorization")) ? http_bearer(value) : slice_of(NULL, 0);
        if (bearer.data)
            return bearer;
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

static bool take_query_token(const struct http_request *request, struct handshake *handshake)
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
static void take_browser(const struct http_request *request, struct handshake *handshake)
{
    size_t count;
    struct slice agent = http_request_only(request, SLICE("User-Agent"), &count);
    size_t length =
        agent.length < sizeof handshake->browser - 1 ? agent.length : sizeof handshake->browser - 1;
    for (size_t i = 0; i < length; i++)
        handshake->browser[i] = (char)(agent.data[i] >= ' ' && agent.data[i] <= '~' ? agent.data[i] : '?');
    handshake->browser[length] = '\0';
}

static enum handshake_result refuse_handshake(const struct refusal *refusal, struct buffer *response)
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
static const struct refusal *check_request(const struct handshake_options *options,
                                           const struct http_request *request, struct slice *key,
                                           bool *with_protocol)
{
    size_t count;
    if (!has_no_body(request))
        return &MALFORMED;
    if (!slice_equal(request->method, SLICE("GET")))
        return &NOT_GET;
    if (!options->accept_any_path && !slice_equal(request->path, SLICE("/ws")))
        return &NO_SUCH_PATH;
    const struct refusal *refusal = check_upgrade(request, key);
    if (refusal)
        return refusal;
    switch (http_request_origin(request, options->origins, options->origin_count)) {
    case HTTP_ORIGIN_TWICE:
        return &MALFORMED;
    case HTTP_ORIGIN_FOREIGN:
        return &BAD_ORIGIN;
    case HTTP_ORIGIN_FINE:
        break;
    }
    *with_protocol =
        http_request_lists(request, SLICE("Sec-WebSocket-Protocol"), SLICE("dispatchd.1"), &count);
    return count > 0 && !*with_protocol ? &BAD_PROTOCOL : NULL;
}

enum handshake_result handshake_answer(const struct handshake_options *options,
                                       enum http_request_result result, const struct http_request *request,
                                       struct handshake *handshake, struct buffer *response)
{
    switch (result) {
    case HTTP_REQUEST_INCOMPLETE:
        return HANDSHAKE_INCOMPLETE;
    case HTTP_REQUEST_MALFORMED:
        return refuse_handshake(&MALFORMED, response);
    case HTTP_REQUEST_TOO_LARGE:
        return refuse_handshake(&TOO_LARGE, response);
    case HTTP_REQUEST_COMPLETE:
        break;
    }
    struct slice key = {0};
    bool with_protocol = false;
    const struct refusal *refusal = check_request(options, request, &key, &with_protocol);
    if (refusal)
        return refuse_handshake(refusal, response);
    if (!take_query_token(request, handshake))
        return refuse_handshake(&BAD_TOKEN, response);
    take_browser(request, handshake);
    accept_request(key, with_protocol, response);
    return HANDSHAKE_ACCEPTED;
}

enum handshake_result handshake_parse(const struct handshake_options *options, struct slice bytes,
                                      size_t *used, struct handshake *handshake, struct buffer *response)
{
    struct http_request request;
    enum handshake_result result =
        handshake_answer(options, http_request_parse(bytes, used, &request), &request, handshake, response);
    if (result != HANDSHAKE_ACCEPTED)
        *used = 0;
    return result;
}
