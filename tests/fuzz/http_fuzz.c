/* What a client may send over HTTP: heads and bodies, one request behind the other as a connection reads
 * them. What they come to does not depend on how the bytes came. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "worker/net/http/http_api.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum { MOST = 1000, REQUESTS_MOST = 16 };

/* The slice lies in the head, and is as long as it may be. */
static void check_slice(struct slice part, struct slice head, size_t most)
{
    if (!part.data)
        return;
    if (part.data < head.data || part.data + part.length > head.data + head.length || part.length > most)
        abort();
}

/* A body in pieces of @piece bytes; how many bytes it used. */
static enum http_body_result feed(struct http_body body, struct slice bytes, size_t piece, size_t *used,
                                  struct buffer *content)
{
    enum http_body_result result = http_body_feed(&body, slice_of(bytes.data, 0), used, content);
    size_t at = 0;
    while (result == HTTP_BODY_MORE && at < bytes.length) {
        size_t length = bytes.length - at < piece ? bytes.length - at : piece;
        result = http_body_feed(&body, slice_of(bytes.data + at, length), used, content);
        if (*used > length || (result == HTTP_BODY_MORE && *used != length))
            abort();
        at += *used;
    }
    *used = at;
    if (content->length > MOST)
        abort();
    return result;
}

static bool read_body(const struct http_body *body, struct slice bytes, size_t *used)
{
    static struct buffer whole, pieces;
    size_t again;
    buffer_clear(&whole);
    buffer_clear(&pieces);
    enum http_body_result result = feed(*body, bytes, SIZE_MAX, used, &whole);
    if (feed(*body, bytes, 1, &again, &pieces) != result)
        abort();
    if (result == HTTP_BODY_END &&
        (again != *used || !slice_equal(buffer_slice(&whole), buffer_slice(&pieces))))
        abort();
    return result == HTTP_BODY_END;
}

static void check_early(struct slice bytes, size_t cut, enum http_request_result result)
{
    static struct http_request request;
    size_t used;
    enum http_request_result early = http_request_parse(slice_of(bytes.data, cut), &used, &request);
    if (early != HTTP_REQUEST_INCOMPLETE && early != result)
        abort();
}

/* What goes into answers and logs has nothing of a path, of a user or of a line's end. */
static void check_host(const struct http_request *request)
{
    for (size_t i = 0; i < request->host.length; i++)
        if (strchr("/@?# \r\n\"", request->host.data[i]))
            abort();
    if (request->host.length == 0 && !request->old)
        abort();
}

/* Only pages that are listed may read answers, and a cookie counts for none of these by itself. */
static void check_origin(const struct http_asked *asked, const struct http_request *request,
                         struct slice head)
{
    struct slice origin;
    enum http_origin from = http_origin_of(request, NULL, 0, &origin);
    check_slice(asked->origin, head, HTTP_HEAD_MOST);
    check_slice(origin, head, HTTP_HEAD_MOST);
    if (asked->origin.data && asked->from != HTTP_ORIGIN_LISTED)
        abort();
    if (asked->call.by_cookie && asked->call.page != HTTP_PAGE_OWN)
        abort();
    if (from == HTTP_ORIGIN_FOREIGN && http_origin_page(request) == HTTP_PAGE_NONE)
        abort();
    if (http_origin_is_loopback(origin) && origin.length < sizeof "http://[::1]" - 1)
        abort();
    (void)http_origin_is_plausible(origin);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    static char *const origins[] = {"https://allowed.example"};
    const struct handshake_options options = {.origins = origins, .origin_count = 1};
    static const struct http_bounds bounds = {MOST, MOST};
    static struct http_request request;
    struct slice bytes = slice_of((const char *)data, length);
    for (int i = 0; i < REQUESTS_MOST && bytes.length > 0; i++) {
        size_t used;
        enum http_request_result result = http_request_parse(bytes, &used, &request);
        check_early(bytes, (unsigned char)bytes.data[bytes.length - 1] % (bytes.length + 1), result);
        if (result != HTTP_REQUEST_COMPLETE) {
            if (used != 0)
                abort();
            return 0;
        }
        if (used == 0 || used > bytes.length || used > HTTP_HEAD_MOST)
            abort();
        struct slice head = slice_of(bytes.data, used);
        bytes = slice_of(bytes.data + used, bytes.length - used);
        struct http_asked asked;
        check_host(&request);
        const struct http_refusal *refusal = http_api_read(&request, &options, &bounds, &asked);
        check_origin(&asked, &request, head);
        if (refusal || asked.offered)
            return 0;
        check_slice(asked.call.collection, head, HTTP_HEAD_MOST);
        check_slice(asked.call.method, head, HTTP_HEAD_MOST);
        check_slice(asked.call.token, head, HTTP_TOKEN_MOST);
        check_slice(asked.call.once, head, HTTP_KEY_MOST);
        if (!read_body(&asked.body, bytes, &used))
            return 0;
        bytes = slice_of(bytes.data + used, bytes.length - used);
    }
    return 0;
}
