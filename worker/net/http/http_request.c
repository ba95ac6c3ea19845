#include "worker/net/http/http_request.h"

#include <http_parser.h>

#include "worker/net/http/http_text.h"

/* What http-parser is reporting. */
struct parse {
    struct http_request *request;
    bool in_value; /* the last thing reported was a value: the next name begins a header */
    bool too_many;
};

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
static void extend_slice(struct slice *slice, const char *at, size_t length)
{
    if (!slice->data)
        *slice = slice_of(at, length);
    else
        slice->length = (size_t)(at + length - slice->data);
}

static int on_url(http_parser *parser, const char *at, size_t length)
{
    extend_slice(&((struct parse *)parser->data)->request->target, at, length);
    return 0;
}

static int on_header_field(http_parser *parser, const char *at, size_t length)
{
    struct parse *parse = parser->data;
    struct http_request *request = parse->request;
    if (request->header_count == 0 || parse->in_value) {
        parse->too_many = request->header_count == HTTP_HEADERS_MOST;
        if (parse->too_many)
            return 1;
        request->headers[request->header_count++] = (struct http_header){0};
    }
    parse->in_value = false;
    extend_slice(&request->headers[request->header_count - 1].name, at, length);
    return 0;
}

static int on_header_value(http_parser *parser, const char *at, size_t length)
{
    struct parse *parse = parser->data;
    parse->in_value = true;
    extend_slice(&parse->request->headers[parse->request->header_count - 1].value, at, length);
    return 0;
}

static int on_headers_complete(http_parser *parser)
{
    (void)parser;
    return 2; /* "no body, and what follows is another protocol": bodies are read elsewhere */
}

static bool parse_head(struct parse *parse, struct slice head)
{
    static const http_parser_settings settings = {.on_url = on_url,
                                                  .on_header_field = on_header_field,
                                                  .on_header_value = on_header_value,
                                                  .on_headers_complete = on_headers_complete};
    http_parser parser;
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = parse;
    size_t used = http_parser_execute(&parser, &settings, head.data, head.length);
    const char *space = memchr(head.data, ' ', head.length);
    parse->request->method = slice_of(head.data, space ? (size_t)(space - head.data) : 0);
    return parser.http_errno == HPE_OK && used == head.length && parser.http_major == 1 &&
           parser.http_minor == 1;
}

/* Trims the values; false for names that are no tokens ("Host :") and for control characters in values. */
static bool headers_are_strict(struct http_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct http_header *header = &request->headers[i];
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

/* RFC 9112 section 3.2: exactly one Host. */
static bool take_host(struct http_request *request)
{
    size_t count;
    struct slice host = http_request_only(request, SLICE("Host"), &count);
    request->host = host;
    return host.length && !memchr(host.data, ' ', host.length) && !memchr(host.data, ',', host.length);
}

static void take_path(struct http_request *request)
{
    struct http_parser_url url;
    http_parser_url_init(&url);
    request->path = (struct slice){0};
    if (http_parser_parse_url(request->target.data, request->target.length, 0, &url) == 0 &&
        url.field_set & 1 << UF_PATH && !(url.field_set & 1 << UF_FRAGMENT))
        request->path =
            slice_of(request->target.data + url.field_data[UF_PATH].off, url.field_data[UF_PATH].len);
}

enum http_request_result http_request_parse(struct slice bytes, size_t *used, struct http_request *request)
{
    bool malformed;
    size_t length = head_length(
        slice_of(bytes.data, bytes.length < HTTP_HEAD_MOST ? bytes.length : HTTP_HEAD_MOST), &malformed);
    *used = 0;
    if (malformed)
        return HTTP_REQUEST_MALFORMED;
    if (length == 0)
        return bytes.length < HTTP_HEAD_MOST ? HTTP_REQUEST_INCOMPLETE : HTTP_REQUEST_TOO_LARGE;
    struct parse parse = {.request = request};
    request->target = (struct slice){0};
    request->header_count = 0;
    if (!parse_head(&parse, slice_of(bytes.data, length)))
        return parse.too_many ? HTTP_REQUEST_TOO_LARGE : HTTP_REQUEST_MALFORMED;
    if (!headers_are_strict(request) || !take_host(request))
        return HTTP_REQUEST_MALFORMED;
    take_path(request);
    *used = length;
    return HTTP_REQUEST_COMPLETE;
}

struct slice http_request_only(const struct http_request *request, struct slice name, size_t *count)
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

bool http_request_lists(const struct http_request *request, struct slice name, struct slice token,
                        size_t *listed)
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

/*
 * The scheme that the browser uses, as the outermost proxy says it: ws and wss are what some say of
 * WebSocket. The proxy need not be a trusted one: what is said only ever shuts pages out, and a page cannot
 * make its browser say it.
 */
static enum http_scheme forwarded_scheme(const struct http_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct slice list = request->headers[i].value, first;
        if (!http_same(request->headers[i].name, SLICE("X-Forwarded-Proto")) ||
            !http_next_element(&list, ',', &first))
            continue;
        if (http_same(first, SLICE("https")) || http_same(first, SLICE("wss")))
            return HTTP_SCHEME_HTTPS;
        if (http_same(first, SLICE("http")) || http_same(first, SLICE("ws")))
            return HTTP_SCHEME_HTTP;
        return HTTP_SCHEME_UNKNOWN;
    }
    return HTTP_SCHEME_UNKNOWN;
}

enum http_origin http_request_origin(const struct http_request *request, char *const *origins, size_t count)
{
    size_t said;
    struct slice origin = http_request_only(request, SLICE("Origin"), &said);
    if (said > 1)
        return HTTP_ORIGIN_TWICE;
    if (said == 0 || http_origin_is_host(origin, request->host, forwarded_scheme(request)))
        return HTTP_ORIGIN_FINE;
    for (size_t i = 0; i < count; i++) {
        if (http_origin_same(origin, slice_text(origins[i])))
            return HTTP_ORIGIN_FINE;
    }
    return HTTP_ORIGIN_FOREIGN;
}

struct slice http_bearer(struct slice authorization)
{
    struct slice bearer = SLICE("Bearer ");
    if (authorization.length <= bearer.length ||
        !http_same(slice_of(authorization.data, bearer.length), bearer))
        return (struct slice){0};
    return http_trim(slice_of(authorization.data + bearer.length, authorization.length - bearer.length));
}

/* 1*DIGIT and nothing else; at most 18 of them. */
static bool read_length(struct slice text, uint64_t *length)
{
    *length = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        *length = *length * 10 + (uint64_t)(text.data[i] - '0');
    }
    return text.length > 0 && text.length <= 18;
}

enum http_framing http_request_framing(const struct http_request *request, uint64_t *length)
{
    size_t lengths, codings;
    struct slice text = http_request_only(request, SLICE("Content-Length"), &lengths);
    struct slice coding = http_request_only(request, SLICE("Transfer-Encoding"), &codings);
    *length = 0;
    if (lengths > 1 || codings > 1 || (lengths && codings) || (lengths && !read_length(text, length)))
        return HTTP_FRAMING_AMBIGUOUS;
    if (codings == 0)
        return HTTP_FRAMING_LENGTH;
    return http_same(coding, SLICE("chunked")) ? HTTP_FRAMING_CHUNKED : HTTP_FRAMING_UNKNOWN;
}
