#include "worker/net/handshake.h"

#include "worker/net/accept_key.h"
#include "worker/net/http/http_origin.h"
#include "worker/net/http/http_refusals.h"
#include "worker/net/http/http_text.h"

static const struct http_refusal BAD_TOKEN = {"400 Bad Request", "", ERROR_BAD_MESSAGE,
                                              "The token is too long"};
static const struct http_refusal BAD_PROTOCOL = {"400 Bad Request", "", ERROR_BAD_MESSAGE,
                                                 "The only subprotocol here is dispatchd.1"};
static const struct http_refusal BAD_ORIGIN = {
    "403 Forbidden", "", ERROR_FORBIDDEN,
    "Pages from this origin may not connect; the log of the server says what lets them"};
static const struct http_refusal NOT_GET = {"405 Method Not Allowed", "Allow: GET, OPTIONS\r\n",
                                            ERROR_BAD_MESSAGE, "A WebSocket is opened with GET"};
static const struct http_refusal NO_UPGRADE = {
    "426 Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n", ERROR_BAD_MESSAGE,
    "Connect with WebSocket version 13; a proxy must pass Upgrade and Connection on, with HTTP/1.1"};

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

static const struct http_refusal *check_upgrade(const struct http_request *request, struct slice *key)
{
    size_t count;
    if (request->old || /* RFC 9110 section 7.8: there it is to be ignored */
        !http_request_lists(request, SLICE("Connection"), SLICE("upgrade"), &count) ||
        !http_request_lists(request, SLICE("Upgrade"), SLICE("websocket"), &count))
        return &NO_UPGRADE;
    struct slice version = http_request_only(request, SLICE("Sec-WebSocket-Version"), &count);
    if (count > 1)
        return &http_refusal_malformed;
    if (!slice_equal(version, SLICE("13")))
        return &NO_UPGRADE;
    *key = http_request_only(request, SLICE("Sec-WebSocket-Key"), &count);
    return key_is_good(*key) ? NULL : &http_refusal_malformed;
}

/* "Bearer TOKEN" (RFC 6750), else the cookie, which a browser sends along whatever page asks: only one of the own
 * origin speaks for who has logged in. */
static struct slice find_token(const struct http_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (!http_same(request->headers[i].name, SLICE("Authorization")))
            continue;
        struct slice bearer = http_bearer(request->headers[i].value);
        if (bearer.data)
            return bearer;
    }
    if (http_origin_page(request) == HTTP_PAGE_OTHER)
        return (struct slice){0};
    return http_request_cookie(request, SLICE("dispatchd_token"));
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

static enum handshake_result refuse_handshake(const struct http_refusal *refusal,
                                              const struct http_request *request, struct buffer *response)
{
    const struct http_manner manner = {.head_only = slice_equal(request->method, SLICE("HEAD")),
                                       .upgrade = refusal == &NO_UPGRADE};
    http_refusal_append(response, refusal, &manner);
    return refusal == &BAD_ORIGIN ? HANDSHAKE_FOREIGN : HANDSHAKE_REFUSED;
}

static void accept_request(struct slice key, bool with_protocol, struct buffer *response)
{
    char accept[ACCEPT_KEY_LENGTH + 1];
    accept_key(key, accept);
    buffer_append_text(response,
                       "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
    http_response_append_date(response);
    buffer_append_text(response, "Sec-WebSocket-Accept: ");
    buffer_append(response, accept, ACCEPT_KEY_LENGTH);
    if (with_protocol)
        buffer_append_text(response, "\r\nSec-WebSocket-Protocol: dispatchd.1");
    buffer_append_text(response, "\r\n\r\n");
}

/* RFC 6455 section 4.2.1, in the order in which the answers are useful to the client. */
static const struct http_refusal *check_request(const struct handshake_options *options,
                                                const struct http_request *request, struct slice *key,
                                                bool *with_protocol)
{
    size_t count;
    struct slice origin;
    if (!options->accept_any_path && !slice_equal(request->path, SLICE("/ws")))
        return &http_refusal_no_such_path;
    if (!slice_equal(request->method, SLICE("GET")))
        return &NOT_GET;
    if (!has_no_body(request))
        return &http_refusal_malformed;
    const struct http_refusal *refusal = check_upgrade(request, key);
    if (refusal)
        return refusal;
    switch (http_origin_of(request, options->origins, options->origin_count, &origin)) {
    case HTTP_ORIGIN_TWICE:
        return &http_refusal_malformed;
    case HTTP_ORIGIN_FOREIGN:
        return &BAD_ORIGIN;
    case HTTP_ORIGIN_NONE:
    case HTTP_ORIGIN_OWN:
    case HTTP_ORIGIN_LISTED:
        break;
    }
    *with_protocol =
        http_request_lists(request, SLICE("Sec-WebSocket-Protocol"), SLICE("dispatchd.1"), &count);
    return count > 0 && !*with_protocol ? &BAD_PROTOCOL : NULL;
}

bool handshake_is_meant(const struct http_request *request)
{
    return slice_equal(request->path, SLICE("/ws")) && !slice_equal(request->method, SLICE("OPTIONS"));
}

enum handshake_result handshake_answer(const struct handshake_options *options,
                                       enum http_request_result result, const struct http_request *request,
                                       struct handshake *handshake, struct buffer *response)
{
    if (result == HTTP_REQUEST_INCOMPLETE)
        return HANDSHAKE_INCOMPLETE;
    if (result != HTTP_REQUEST_COMPLETE)
        return refuse_handshake(http_refusal_of(result), request, response);
    struct slice key = {0};
    bool with_protocol = false;
    const struct http_refusal *refusal = check_request(options, request, &key, &with_protocol);
    if (refusal)
        return refuse_handshake(refusal, request, response);
    if (!take_query_token(request, handshake))
        return refuse_handshake(&BAD_TOKEN, request, response);
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
