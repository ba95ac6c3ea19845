#include "worker/net/http/http_request.h"

#include <http_parser.h>

#include "worker/net/http/http_text.h"

/* What http-parser is reporting. */
struct parse {
    struct http_request *request;
    bool in_value; /* the last thing reported was a value: the next name begins a header */
    bool too_many;
};

/* How many bytes of empty lines there are before a request; more of these than may be are malformed. */
static size_t empty_lines(struct slice bytes, bool *malformed)
{
    size_t length = 0;
    while (bytes.length - length >= 2 && memcmp(bytes.data + length, "\r\n", 2) == 0)
        length += 2;
    bool begun = length < bytes.length && bytes.data[length] == '\r';
    *malformed = length > 2 * HTTP_EMPTY_LINES_MOST || (begun && length + 1 < bytes.length);
    return begun ? bytes.length : length;
}

/*
 * Where the head ends: the length with its empty line, or 0 when that has not come. What http-parser would
 * let pass is refused on the way (RFC 9112 sections 2.2 and 5.2): bare CR or LF, folded lines, and what does
 * not begin like a request at all, so that a foreign protocol is answered before its deadline.
 */
static size_t head_length(struct slice bytes, bool *malformed)
{
    *malformed = bytes.length > 0 && !http_is_token(slice_of(bytes.data, 1));
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

/* Those that the server would have to know what to do with (RFC 9110 section 9.1, RFC 5789). */
static bool is_known_method(struct slice method)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (slice_equal(method, slice_text(names[i])))
            return true;
    }
    return false;
}

/* What the first line of a head is, before http-parser looks at it: that knows other methods and versions. */
static enum http_request_result check_first_line(struct slice head, struct slice method)
{
    const char *end = memchr(head.data, '\r', head.length);
    struct slice line = slice_of(head.data, end ? (size_t)(end - head.data) : 0);
    struct slice version = SLICE("HTTP/x.y");
    if (line.length < method.length + 2 + version.length || !http_is_token(method))
        return HTTP_REQUEST_MALFORMED;
    version.data = line.data + line.length - version.length;
    const char *numbers = version.data + 5;
    bool good = version.data[-1] == ' ' && memcmp(version.data, "HTTP/", 5) == 0 && numbers[0] >= '1' &&
                numbers[0] <= '9' && numbers[1] == '.' && numbers[2] >= '0' && numbers[2] <= '9';
    if (!good)
        return HTTP_REQUEST_MALFORMED;
    if (numbers[0] != '1')
        return HTTP_REQUEST_UNKNOWN_VERSION;
    return is_known_method(method) ? HTTP_REQUEST_COMPLETE : HTTP_REQUEST_UNKNOWN_METHOD;
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
    parse->request->old = parser.http_minor == 0;
    return parser.http_errno == HPE_OK && used == head.length;
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

/* RFC 9112 section 3.2: exactly one Host. HTTP/1.0 does not know it, but it may be there. */
static bool take_host(struct http_request *request)
{
    size_t count;
    request->host = http_request_only(request, SLICE("Host"), &count);
    return count == 0 ? request->old : count == 1 && http_is_host(request->host);
}

static enum http_scheme scheme_of(struct slice name)
{
    if (http_same(name, SLICE("https")) || http_same(name, SLICE("wss")))
        return HTTP_SCHEME_HTTPS;
    if (http_same(name, SLICE("http")) || http_same(name, SLICE("ws")))
        return HTTP_SCHEME_HTTP;
    return HTTP_SCHEME_UNKNOWN;
}

/* RFC 9112 section 3.2.2: what an absolute target says of the host counts, whatever Host says. */
static bool take_authority(struct http_request *request, struct slice scheme)
{
    struct slice rest = request->target;
    rest.data += scheme.length;
    rest.length -= scheme.length;
    if (!http_cut_prefix(&rest, SLICE("://")))
        return false;
    size_t length = 0;
    while (length < rest.length && !strchr("/?#", rest.data[length]))
        length++;
    request->host = slice_of(rest.data, length);
    request->target_scheme = scheme_of(scheme);
    return http_is_host(request->host) && request->target_scheme != HTTP_SCHEME_UNKNOWN;
}

/* False: it is absolute, and not one of a server of HTTP. */
static bool take_target(struct http_request *request)
{
    struct http_parser_url url;
    struct slice target = request->target;
    http_parser_url_init(&url);
    request->path = (struct slice){0};
    request->target_scheme = HTTP_SCHEME_UNKNOWN;
    bool relative = target.data[0] == '/' || target.data[0] == '*';
    if (http_parser_parse_url(target.data, target.length, 0, &url) != 0)
        return relative;
    struct slice scheme =
        slice_of(target.data + url.field_data[UF_SCHEMA].off, url.field_data[UF_SCHEMA].len);
    if (!relative && !take_authority(request, scheme))
        return false;
    if (url.field_set & 1 << UF_FRAGMENT)
        return true;
    if (url.field_set & 1 << UF_PATH)
        request->path = slice_of(target.data + url.field_data[UF_PATH].off, url.field_data[UF_PATH].len);
    else /* RFC 9112 section 3.2.4 */
        request->path = slice_equal(request->method, SLICE("OPTIONS")) ? SLICE("*") : SLICE("/");
    return true;
}

static enum http_request_result parse_request(struct slice head, struct http_request *request)
{
    struct parse parse = {.request = request};
    enum http_request_result result = check_first_line(head, request->method);
    if (result != HTTP_REQUEST_COMPLETE)
        return result;
    if (!parse_head(&parse, head))
        return parse.too_many ? HTTP_REQUEST_TOO_LARGE : HTTP_REQUEST_MALFORMED;
    return headers_are_strict(request) && take_host(request) && take_target(request) ? HTTP_REQUEST_COMPLETE
                                                                                     : HTTP_REQUEST_MALFORMED;
}

enum http_request_result http_request_parse(struct slice bytes, size_t *used, struct http_request *request)
{
    bool malformed, too_many;
    size_t most = bytes.length < HTTP_HEAD_MOST ? bytes.length : HTTP_HEAD_MOST;
    size_t before = empty_lines(slice_of(bytes.data, most), &too_many);
    struct slice head = slice_of(bytes.data + before, most - before);
    size_t length = head_length(head, &malformed);
    const char *space = memchr(head.data, ' ', length ? length : head.length);
    *used = 0;
    request->method = slice_of(head.data, space ? (size_t)(space - head.data) : 0);
    request->target = (struct slice){0};
    request->header_count = 0;
    if (malformed || too_many)
        return HTTP_REQUEST_MALFORMED;
    if (length == 0)
        return bytes.length < HTTP_HEAD_MOST ? HTTP_REQUEST_INCOMPLETE : HTTP_REQUEST_TOO_LARGE;
    enum http_request_result result = parse_request(slice_of(head.data, length), request);
    if (result == HTTP_REQUEST_COMPLETE)
        *used = before + length;
    return result;
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
 * ws and wss are what some proxies say of WebSocket. The proxy need not be a trusted one: what is said only
 * ever shuts pages out, or keeps a cookie to TLS, and a page cannot make its browser say it.
 */
enum http_scheme http_request_scheme(const struct http_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct slice list = request->headers[i].value, first;
        if (http_same(request->headers[i].name, SLICE("X-Forwarded-Proto")) &&
            http_next_element(&list, ',', &first))
            return scheme_of(first);
    }
    return request->target_scheme;
}

struct slice http_request_cookie(const struct http_request *request, struct slice name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct slice list = request->headers[i].value, pair;
        if (!http_same(request->headers[i].name, SLICE("Cookie")))
            continue;
        while (http_next_element(&list, ';', &pair)) {
            if (pair.length > name.length && memcmp(pair.data, name.data, name.length) == 0 &&
                pair.data[name.length] == '=')
                return slice_of(pair.data + name.length + 1, pair.length - name.length - 1);
        }
    }
    return (struct slice){0};
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
    if (lengths > 1 || codings > 1 || (lengths && codings) || (lengths && !read_length(text, length)) ||
        (codings && request->old))
        return HTTP_FRAMING_AMBIGUOUS;
    if (codings == 0)
        return HTTP_FRAMING_LENGTH;
    return http_same(coding, SLICE("chunked")) ? HTTP_FRAMING_CHUNKED : HTTP_FRAMING_UNKNOWN;
}
