#include "worker/net/http/http_api.h"

#include "worker/net/http/http_text.h"

static const struct http_refusal AMBIGUOUS = {"400 Bad Request", "", ERROR_BAD_MESSAGE,
                                              "The length of the body is ambiguous"};
static const struct http_refusal TWICE = {"400 Bad Request", "", ERROR_BAD_MESSAGE,
                                          "A header that may appear only once appears twice"};
static const struct http_refusal BAD_KEY = {"400 Bad Request", "", ERROR_BAD_MESSAGE,
                                            "Idempotency-Key: expected 1 to 128 printable characters"};
static const struct http_refusal NO_BEARER = {"401 Unauthorized", "WWW-Authenticate: Bearer\r\n",
                                              ERROR_UNAUTHORIZED, "Authorization: expected Bearer TOKEN"};
static const struct http_refusal BAD_TOKEN = {"401 Unauthorized",
                                              "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n",
                                              ERROR_UNAUTHORIZED, "Token does not exist"};
static const struct http_refusal BAD_ORIGIN = {
    "403 Forbidden", "", ERROR_FORBIDDEN,
    "Pages from this origin may not call; the log of the server says what lets them"};
static const struct http_refusal NO_SUCH_METHOD = {"404 Not Found", "", ERROR_UNKNOWN_METHOD,
                                                   "Methods are at /api/COLLECTION/METHOD"};
static const struct http_refusal NOT_POST = {"405 Method Not Allowed", "Allow: POST, OPTIONS\r\n",
                                             ERROR_BAD_MESSAGE, "Methods are called with POST"};
static const struct http_refusal TOO_LARGE = {
    "413 Content Too Large", "", ERROR_TOO_LARGE,
    "The body is larger than limits.message_bytes, or without a token "
    "limits.stranger_message_bytes, allow"};
static const struct http_refusal NO_JSON = {"415 Unsupported Media Type", "Accept: application/json\r\n",
                                            ERROR_BAD_MESSAGE, "The body must be application/json in UTF-8"};
static const struct http_refusal NO_EXPECTATION = {"417 Expectation Failed", "", ERROR_BAD_MESSAGE,
                                                   "Only 100-continue can be expected"};
static const struct http_refusal NO_CODING = {"501 Not Implemented", "", ERROR_BAD_MESSAGE,
                                              "Transfer-Encoding must be chunked or absent"};

/* What OPTIONS says of the paths there are. The last lines are for a page of another origin that asks before
 * it calls (a preflight, https://fetch.spec.whatwg.org/#http-cors-protocol); its browser keeps the answer for
 * two hours, which is as long as any does. */
#define CALLS "Allow: POST, OPTIONS\r\n"
#define ALLOWS                                                                                               \
    "Access-Control-Allow-Methods: POST\r\n"                                                                 \
    "Access-Control-Allow-Headers: Authorization, Content-Type, Idempotency-Key\r\n"                         \
    "Access-Control-Max-Age: 7200\r\n"

static const struct slice prefix = SLICE("/api/");

static bool is_for_methods(struct slice path)
{
    return (path.length >= prefix.length && slice_equal(slice_of(path.data, prefix.length), prefix)) ||
           slice_equal(path, SLICE("/api"));
}

static bool read_path(struct slice path, struct http_call *call)
{
    if (path.length <= prefix.length)
        return false;
    struct slice names = slice_of(path.data + prefix.length, path.length - prefix.length);
    const char *slash = memchr(names.data, '/', names.length);
    if (!slash)
        return false;
    call->collection = slice_of(names.data, (size_t)(slash - names.data));
    call->method = slice_of(slash + 1, names.length - call->collection.length - 1);
    return http_is_token(call->collection) && http_is_token(call->method);
}

/* Parameters of application/json say nothing (RFC 8259 section 11), whatever they are. */
static bool is_json(struct slice type)
{
    const char *end = type.length ? memchr(type.data, ';', type.length) : NULL;
    if (end)
        type.length = (size_t)(end - type.data);
    return http_same(http_trim(type), SLICE("application/json"));
}

static const struct http_refusal *check_content(const struct http_request *request)
{
    size_t types, codings;
    struct slice type = http_request_only(request, SLICE("Content-Type"), &types);
    struct slice coding = http_request_only(request, SLICE("Content-Encoding"), &codings);
    bool plain = codings == 0 || http_same(coding, SLICE("identity"));
    return plain && (types == 0 || (types == 1 && is_json(type))) ? NULL : &NO_JSON;
}

static const struct http_refusal *check_expectation(const struct http_request *request, bool *waits)
{
    size_t count;
    struct slice expected = http_request_only(request, SLICE("Expect"), &count);
    *waits = count == 1 && http_same(expected, SLICE("100-continue")) && !request->old;
    return count == 0 || *waits || request->old ? NULL : &NO_EXPECTATION; /* RFC 9110 section 10.1.1 */
}

/* One that is too long is nobody's, and as good as none. */
static void read_cookie(const struct http_request *request, struct http_call *call)
{
    struct slice token = http_request_cookie(request, SLICE("dispatchd_token"));
    if (call->page != HTTP_PAGE_OWN || token.length == 0 || token.length > HTTP_TOKEN_MOST)
        return;
    call->token = token;
    call->by_cookie = true;
}

static const struct http_refusal *read_token(const struct http_request *request, struct http_call *call)
{
    size_t count;
    struct slice authorization = http_request_only(request, SLICE("Authorization"), &count);
    call->page = http_origin_page(request);
    if (count == 0) {
        read_cookie(request, call);
        return NULL;
    }
    if (count > 1)
        return &TWICE;
    call->token = http_bearer(authorization);
    if (!call->token.data)
        return &NO_BEARER;
    return call->token.length <= HTTP_TOKEN_MOST ? NULL : &BAD_TOKEN;
}

static const struct http_refusal *read_key(const struct http_request *request, struct http_call *call)
{
    size_t count;
    call->once = http_request_only(request, SLICE("Idempotency-Key"), &count);
    if (count == 0)
        return NULL;
    for (size_t i = 0; i < call->once.length; i++)
        if (call->once.data[i] < ' ' || call->once.data[i] > '~')
            return &BAD_KEY;
    return call->once.length > 0 && call->once.length <= HTTP_KEY_MOST ? NULL : &BAD_KEY;
}

static const struct http_refusal *check_origin(enum http_origin from)
{
    switch (from) {
    case HTTP_ORIGIN_TWICE:
        return &TWICE;
    case HTTP_ORIGIN_FOREIGN:
        return &BAD_ORIGIN;
    case HTTP_ORIGIN_NONE:
    case HTTP_ORIGIN_OWN:
    case HTTP_ORIGIN_LISTED:
        break;
    }
    return NULL;
}

static const struct http_refusal *read_framing(const struct http_request *request, uint64_t most,
                                               struct http_body *body, bool *fits)
{
    uint64_t length;
    enum http_framing framing = http_request_framing(request, &length);
    switch (framing) {
    case HTTP_FRAMING_AMBIGUOUS:
        return &AMBIGUOUS;
    case HTTP_FRAMING_UNKNOWN:
        return &NO_CODING;
    case HTTP_FRAMING_LENGTH:
    case HTTP_FRAMING_CHUNKED:
        break;
    }
    *fits = http_body_start(body, framing, length, most);
    return NULL;
}

/* The methods of the path, for OPTIONS; NULL: there is no such path. The root stands for the whole server, as
 * "*" does: some that ask whether it lives ask there. */
static const char *offered_at(struct slice path, bool to_other)
{
    struct http_call call;
    if (slice_equal(path, SLICE("*")) || slice_equal(path, SLICE("/")))
        return "Allow: GET, POST, OPTIONS\r\n";
    if (slice_equal(path, SLICE("/ws")))
        return "Allow: GET, OPTIONS\r\n";
    if (!read_path(path, &call))
        return NULL;
    return to_other ? CALLS ALLOWS : CALLS;
}

static const struct http_refusal *read_options(const struct http_request *request, struct http_asked *asked)
{
    asked->offered = offered_at(request->path, asked->from == HTTP_ORIGIN_LISTED);
    if (!asked->offered)
        return is_for_methods(request->path) ? &NO_SUCH_METHOD : &http_refusal_no_such_path;
    return check_origin(asked->from);
}

const struct http_refusal *http_api_read(const struct http_request *request,
                                         const struct handshake_options *options,
                                         const struct http_bounds *bounds, struct http_asked *asked)
{
    bool fits = false;
    struct slice origin;
    *asked = (struct http_asked){0};
    asked->from = http_origin_of(request, options->origins, options->origin_count, &origin);
    if (asked->from == HTTP_ORIGIN_LISTED)
        asked->origin = origin;
    const struct http_refusal *bad_token = read_token(request, &asked->call);
    const struct http_refusal *refusal = read_framing(
        request, asked->call.token.data ? bounds->most : bounds->strange_most, &asked->body, &fits);
    if (refusal)
        return refusal;
    if (slice_equal(request->method, SLICE("OPTIONS")))
        return read_options(request, asked);
    if (!is_for_methods(request->path))
        return &http_refusal_no_such_path;
    if (!read_path(request->path, &asked->call))
        return &NO_SUCH_METHOD;
    if (!slice_equal(request->method, SLICE("POST")))
        return &NOT_POST;
    if ((refusal = check_origin(asked->from)) || (refusal = check_expectation(request, &asked->waits)) ||
        (refusal = check_content(request)))
        return refusal;
    if (!fits)
        return &TOO_LARGE;
    return bad_token ? bad_token : read_key(request, &asked->call);
}
