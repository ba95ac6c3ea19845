#include "worker/net/http/http_api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* Heads of requests for methods. */

#define POST "POST /api/notes/find HTTP/1.1\r\nHost: lab.example\r\n"

static char *const ORIGINS[] = {"https://other.example"};
static const struct handshake_options OPTIONS = {.origins = ORIGINS, .origin_count = 1};

enum { MOST = 100 };

struct sample {
    const char *head;
    const char *status; /* "405", ...; NULL: it is read */
};

static const struct sample SAMPLES[] = {
    {POST "\r\n", NULL},
    {POST "Content-Length: 100\r\n\r\n", NULL},
    {POST "Content-Length: 00\r\n\r\n", NULL},
    {POST "Transfer-Encoding: chunked\r\n\r\n", NULL},
    {POST "Content-Type: application/json\r\n\r\n", NULL},
    {POST "Content-Type: Application/JSON;charset=\"UTF-8\"\r\n\r\n", NULL},
    {POST "Content-Type: application/json; charset=utf-16\r\n\r\n", NULL},
    {POST "Content-Type: application/json;\r\n\r\n", NULL},
    {POST "Content-Type: APPLICATION/json \t; a=b;c;=; q=\"x;y\"\r\n\r\n", NULL},
    {POST "Origin: http://lab.example\r\n\r\n", NULL},
    {POST "Origin: https://other.example\r\n\r\n", NULL},
    {POST "X-Forwarded-Proto: https\r\nOrigin: https://lab.example\r\n\r\n", NULL},
    {POST "Expect: 100-continue\r\n\r\n", NULL},
    {POST "Idempotency-Key: a b\r\n\r\n", NULL},
    {POST "Cookie: dispatchd_token=x\r\n\r\n", NULL},
    {"POST /api/notes/find?x HTTP/1.1\r\nHost: a\r\n\r\n", NULL},
    {"POST http://lab.example/api/notes/find HTTP/1.1\r\nHost: a\r\n\r\n", NULL},
    {"POST http://lab.example/api/notes/find HTTP/1.1\r\nHost: a\r\nOrigin: http://lab.example\r\n\r\n",
     NULL},
    {"POST http://lab.example/api/notes/find HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\n\r\n", "403"},
    {"POST http://lab.example/api/notes/find HTTP/1.1\r\nHost: a\r\nOrigin: https://lab.example\r\n\r\n",
     "403"},
    {"POST https://lab.example/api/notes/find HTTP/1.1\r\nHost: a\r\nOrigin: https://lab.example\r\n\r\n",
     NULL},
    {"POST https://lab.example/api/notes/find HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: http\r\n"
     "Origin: https://lab.example\r\n\r\n",
     "403"},
    /* HTTP/1.0 */
    {"POST /api/notes/find HTTP/1.0\r\n\r\n", NULL},
    {"POST /api/notes/find HTTP/1.0\r\nHost: a\r\nContent-Length: 2\r\n\r\n", NULL},
    {"POST /api/notes/find HTTP/1.0\r\nExpect: something\r\n\r\n", NULL},
    {"POST /api/notes/find HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
    {"POST /api/notes/find HTTP/1.0\r\nOrigin: http://a\r\n\r\n", "403"},
    {"POST /api/notes/find HTTP/1.0\r\nOrigin: http://\r\n\r\n", "403"},
    {"POST /api/notes/find HTTP/1.0\r\nOrigin: https://other.example\r\n\r\n", NULL},
    /* other paths */
    {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", "404"},
    {"POST /apis/a/b HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n", "404"},
    {"POST /API/a/b HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\n\r\n", "404"},
    {"POST //api/a/b HTTP/1.1\r\nHost: a\r\nAuthorization: Basic x\r\n\r\n", "404"},
    {"PUT /x/api/a/b HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
    {"DELETE http://lab.example HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
    {"POST /api/notes/find#x HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
    {"POST * HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
    {"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "501"},
    {"TRACE /api/notes/find HTTP/1.1\r\nHost: a\r\n\r\n", "405"},
    {"HEAD /api/notes/find HTTP/1.1\r\nHost: a\r\n\r\n", "405"},
    /* OPTIONS */
    {"OPTIONS /api/notes HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
    {"OPTIONS /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
    {"OPTIONS /api/notes/find HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\n\r\n", "403"},
    {"OPTIONS /ws HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\n\r\n", "403"},
    {"OPTIONS /api/notes/find HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\nOrigin: http://a\r\n\r\n", "400"},
    {"GET /api/notes/find HTTP/1.1\r\nHost: a\r\n\r\n", "405"},
    {"PATCH /api/notes/find HTTP/1.1\r\nHost: a\r\n\r\n", "405"},
    {"GET /api/notes HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
    {"POST /api HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
    {"POST /api/ HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
    {"POST /api/notes HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
    {"POST /api/notes/ HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
    {"POST /api//find HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
    {"POST /api/notes/find/x HTTP/1.1\r\nHost: a\r\n\r\n", "404"},
    {POST "Content-Length: 101\r\n\r\n", "413"},
    {POST "Content-Length: 999999999999999999\r\n\r\n", "413"},
    {POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", "400"},
    {POST "Transfer-Encoding: gzip\r\n\r\n", "501"},
    {POST "Transfer-Encoding: chunked, gzip\r\n\r\n", "501"},
    {POST "Content-Type: text/plain\r\n\r\n", "415"},
    {POST "Content-Type:\r\n\r\n", "415"},
    {POST "Content-Type: ;\r\n\r\n", "415"},
    {POST "Content-Type: application/json, text/plain\r\n\r\n", "415"},
    {POST "Content-Type: text/plain; application/json\r\n\r\n", "415"},
    {POST "Content-Type: application/jsonp\r\n\r\n", "415"},
    {POST "Content-Encoding: br\r\n\r\n", "415"},
    {POST "Origin: https://evil.example\r\n\r\n", "403"},
    {POST "Origin: null\r\n\r\n", "403"},
    {POST "X-Forwarded-Proto: https\r\nOrigin: http://lab.example\r\n\r\n", "403"},
    {POST "Origin: http://lab.example\r\nOrigin: http://lab.example\r\n\r\n", "400"},
    {POST "Expect: 200-ok\r\n\r\n", "417"},
    {POST "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n", "417"},
    {POST "Authorization: Basic YTpi\r\n\r\n", "401"},
    {POST "Authorization: Bearer\r\n\r\n", "401"},
    {POST "Authorization: Bearer a\r\nAuthorization: Bearer a\r\n\r\n", "400"},
    {POST "Idempotency-Key: \r\n\r\n", "400"},
    {POST "Idempotency-Key: a\tb\r\n\r\n", "400"},
    {POST "Idempotency-Key: \xc3\xa4\r\n\r\n", "400"},
    {POST "Idempotency-Key: a\r\nIdempotency-Key: a\r\n\r\n", "400"},
};

/* Reads a head that is no handshake. */
static const struct http_refusal *read_head(const char *head, struct http_asked *asked)
{
    static struct http_request request;
    static const struct http_bounds bounds = {MOST, MOST};
    size_t used;
    enum http_request_result result = http_request_parse(slice_text(head), &used, &request);
    if (result != HTTP_REQUEST_COMPLETE)
        return http_refusal_of(result);
    assert_int_equal(used, strlen(head));
    assert_false(handshake_is_meant(&request));
    return http_api_read(&request, &OPTIONS, &bounds, asked);
}

static void heads_are_read_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SAMPLES / sizeof *SAMPLES; i++) {
        struct http_asked asked;
        const struct http_refusal *refusal = read_head(SAMPLES[i].head, &asked);
        if (!SAMPLES[i].status != !refusal || (refusal && memcmp(refusal->status, SAMPLES[i].status, 3) != 0))
            fail_msg("%s: %s", SAMPLES[i].head, refusal ? refusal->status : "read");
        if (refusal)
            continue;
        assert_null(asked.offered);
        assert_true(slice_equal(asked.call.collection, SLICE("notes")));
        assert_true(slice_equal(asked.call.method, SLICE("find")));
        assert_null(asked.call.token.data); /* a cookie is none */
    }
}

static void what_a_head_says(void **state)
{
    (void)state;
    struct http_asked asked;
    assert_null(read_head(POST "Authorization: bearer  abc \r\nIdempotency-Key:  k 1 \r\n\r\n", &asked));
    assert_true(slice_equal(asked.call.token, SLICE("abc")));
    assert_true(slice_equal(asked.call.once, SLICE("k 1")));
    assert_false(asked.call.by_cookie);
    assert_false(asked.waits);
    assert_null(read_head(POST "Expect: 100-Continue\r\nContent-Length: 3\r\n\r\n", &asked));
    assert_true(asked.waits);
    assert_null(asked.call.once.data);
    assert_null(read_head("POST /api/notes/find HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", &asked));
    assert_false(asked.waits);
}

/* A cookie is a token when the page is of the server's own origin. */
static void the_cookie_of_the_own_page(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        bool counts;
        enum http_page page;
    } samples[] = {
        {"", false, HTTP_PAGE_NONE},
        {"Origin: http://lab.example\r\n", true, HTTP_PAGE_OWN},
        {"Origin: https://lab.example\r\nX-Forwarded-Proto: https\r\n", true, HTTP_PAGE_OWN},
        {"Origin: http://lab.example\r\nSec-Fetch-Site: same-origin\r\n", true, HTTP_PAGE_OWN},
        {"Origin: http://lab.example\r\nSec-Fetch-Site: same-site\r\n", false, HTTP_PAGE_OTHER},
        {"Origin: http://lab.example\r\nSec-Fetch-Site: cross-site\r\n", false, HTTP_PAGE_OTHER},
        {"Origin: http://lab.example\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Site: same-origin\r\n",
         false, HTTP_PAGE_OTHER},
        /* A proxy that does not pass Host on: the browser knows better. */
        {"Origin: https://other.example\r\n", false, HTTP_PAGE_OTHER},
        {"Origin: https://other.example\r\nSec-Fetch-Site: same-origin\r\n", true, HTTP_PAGE_OWN},
        {"Origin: https://other.example\r\nSec-Fetch-Site: cross-site\r\n", false, HTTP_PAGE_OTHER},
        {"Sec-Fetch-Site: none\r\n", false, HTTP_PAGE_OTHER},
    };
    char head[512];
    struct http_asked asked;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        snprintf(head, sizeof head, POST "Cookie: a=b; dispatchd_token=xyz\r\n%s\r\n", samples[i].headers);
        assert_null(read_head(head, &asked));
        if (asked.call.page != samples[i].page || asked.call.by_cookie != samples[i].counts)
            fail_msg("%s", head);
        assert_true(slice_equal(asked.call.token, samples[i].counts ? SLICE("xyz") : SLICE("")));
    }
    /* Whatever else says who it is, it is that. */
    assert_null(read_head(POST "Cookie: dispatchd_token=xyz\r\nOrigin: http://lab.example\r\n"
                               "Authorization: Bearer abc\r\n\r\n",
                          &asked));
    assert_true(slice_equal(asked.call.token, SLICE("abc")));
    assert_false(asked.call.by_cookie);
    assert_null(read_head(POST "Cookie: dispatchd_token=\r\nOrigin: http://lab.example\r\n\r\n", &asked));
    assert_null(asked.call.token.data);
}

static void options_are_offered(void **state)
{
    (void)state;
    static const struct {
        const char *line, *first;
    } samples[] = {
        {"OPTIONS * HTTP/1.1\r\nHost: a", "Allow: GET, POST, OPTIONS\r\n"},
        {"OPTIONS / HTTP/1.0", "Allow: GET, POST, OPTIONS\r\n"},
        {"OPTIONS http://a HTTP/1.1\r\nHost: a", "Allow: GET, POST, OPTIONS\r\n"},
        {"OPTIONS /ws HTTP/1.1\r\nHost: a", "Allow: GET, OPTIONS\r\n"},
        {"OPTIONS /api/no/such HTTP/1.1\r\nHost: a", "Allow: POST, OPTIONS\r\n"},
    };
    static const char *const origins[] = {"", "Origin: https://other.example\r\n"};
    char head[256];
    struct http_asked asked;
    for (size_t i = 0; i < 2 * (sizeof samples / sizeof *samples); i++) {
        bool other = i & 1, methods = i / 2 == 4;
        snprintf(head, sizeof head, "%s\r\n%s\r\n", samples[i / 2].line, origins[i & 1]);
        assert_null(read_head(head, &asked));
        assert_memory_equal(asked.offered, samples[i / 2].first, strlen(samples[i / 2].first));
        assert_int_equal(strstr(asked.offered, "Access-Control-") != NULL, other && methods);
        assert_true(slice_equal(asked.origin, other ? SLICE("https://other.example") : SLICE("")));
    }
}

static void long_values(void **state)
{
    (void)state;
    struct http_asked asked;
    char head[1024];
    for (int length = HTTP_KEY_MOST; length <= HTTP_KEY_MOST + 1; length++) {
        snprintf(head, sizeof head, POST "Idempotency-Key: %0*d\r\n\r\n", length, 0);
        assert_int_equal(read_head(head, &asked) != NULL, length > HTTP_KEY_MOST);
    }
    for (int length = HTTP_TOKEN_MOST; length <= HTTP_TOKEN_MOST + 1; length++) {
        snprintf(head, sizeof head, POST "Authorization: Bearer %0*d\r\n\r\n", length, 0);
        assert_int_equal(read_head(head, &asked) != NULL, length > HTTP_TOKEN_MOST);
        snprintf(head, sizeof head, POST "Origin: http://lab.example\r\nCookie: dispatchd_token=%0*d\r\n\r\n",
                 length, 0);
        assert_null(read_head(head, &asked));
        assert_int_equal(asked.call.by_cookie, length <= HTTP_TOKEN_MOST);
    }
}

/* http-parser refuses some of these itself; nothing depends on that. */
static void lengths_are_unambiguous(void **state)
{
    (void)state;
    static const struct {
        const char *length, *coding, *more; /* @more: another Content-Length */
        enum http_framing framing;
    } samples[] = {
        {NULL, NULL, NULL, HTTP_FRAMING_LENGTH},
        {"0", NULL, NULL, HTTP_FRAMING_LENGTH},
        {NULL, "Chunked", NULL, HTTP_FRAMING_CHUNKED},
        {"0", "chunked", NULL, HTTP_FRAMING_AMBIGUOUS},
        {"5", NULL, "5", HTTP_FRAMING_AMBIGUOUS},
        {"", NULL, NULL, HTTP_FRAMING_AMBIGUOUS},
        {"+1", NULL, NULL, HTTP_FRAMING_AMBIGUOUS},
        {"1 ", NULL, NULL, HTTP_FRAMING_AMBIGUOUS},
        {"1,1", NULL, NULL, HTTP_FRAMING_AMBIGUOUS},
        {"0x1", NULL, NULL, HTTP_FRAMING_AMBIGUOUS},
        {"18446744073709551617", NULL, NULL, HTTP_FRAMING_AMBIGUOUS},
        {NULL, "", NULL, HTTP_FRAMING_UNKNOWN},
        {NULL, "chunked, chunked", NULL, HTTP_FRAMING_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        static struct http_request request;
        uint64_t length;
        request.header_count = 0;
        request.old = false;
        if (samples[i].length)
            request.headers[request.header_count++] =
                (struct http_header){SLICE("content-length"), slice_text(samples[i].length)};
        if (samples[i].coding)
            request.headers[request.header_count++] =
                (struct http_header){SLICE("Transfer-Encoding"), slice_text(samples[i].coding)};
        if (samples[i].more)
            request.headers[request.header_count++] =
                (struct http_header){SLICE("Content-Length"), slice_text(samples[i].more)};
        if (http_request_framing(&request, &length) != samples[i].framing)
            fail_msg("sample %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_read_or_refused),
        cmocka_unit_test(what_a_head_says),
        cmocka_unit_test(the_cookie_of_the_own_page),
        cmocka_unit_test(options_are_offered),
        cmocka_unit_test(long_values),
        cmocka_unit_test(lengths_are_unambiguous),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
