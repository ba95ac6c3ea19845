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
    {POST "Origin: http://lab.example\r\n\r\n", NULL},
    {POST "Origin: https://other.example\r\n\r\n", NULL},
    {POST "X-Forwarded-Proto: https\r\nOrigin: https://lab.example\r\n\r\n", NULL},
    {POST "Expect: 100-continue\r\n\r\n", NULL},
    {POST "Idempotency-Key: a b\r\n\r\n", NULL},
    {POST "Cookie: dispatchd_token=x\r\n\r\n", NULL},
    {"POST /api/notes/find?x HTTP/1.1\r\nHost: a\r\n\r\n", NULL},
    {"POST http://lab.example/api/notes/find HTTP/1.1\r\nHost: a\r\n\r\n", NULL},
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
    {POST "Content-Type: application/json; charset=utf-16\r\n\r\n", "415"},
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

/* Reads a head that http-parser takes. */
static const struct http_refusal *read_head(const char *head, struct http_call *call, struct http_body *body,
                                            bool *waits)
{
    static struct http_request request;
    size_t used;
    enum http_request_result result = http_request_parse(slice_text(head), &used, &request);
    if (result == HTTP_REQUEST_MALFORMED) { /* http-parser knows of two lengths itself */
        static const struct http_refusal malformed = {"400 Bad Request", "", ERROR_BAD_MESSAGE, ""};
        return &malformed;
    }
    assert_int_equal(result, HTTP_REQUEST_COMPLETE);
    assert_int_equal(used, strlen(head));
    assert_true(http_api_is_meant(&request));
    return http_api_read(&request, &OPTIONS, MOST, MOST, call, body, waits);
}

static void heads_are_read_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SAMPLES / sizeof *SAMPLES; i++) {
        struct http_call call;
        struct http_body body;
        bool waits = false;
        const struct http_refusal *refusal = read_head(SAMPLES[i].head, &call, &body, &waits);
        if (!SAMPLES[i].status != !refusal || (refusal && memcmp(refusal->status, SAMPLES[i].status, 3) != 0))
            fail_msg("%s: %s", SAMPLES[i].head, refusal ? refusal->status : "read");
        if (refusal)
            continue;
        assert_true(slice_equal(call.collection, SLICE("notes")));
        assert_true(slice_equal(call.method, SLICE("find")));
        assert_null(call.token.data); /* a cookie is none */
    }
}

static void what_a_head_says(void **state)
{
    (void)state;
    struct http_call call;
    struct http_body body;
    bool waits;
    assert_null(read_head(POST "Authorization: bearer  abc \r\nIdempotency-Key:  k 1 \r\n\r\n", &call, &body,
                          &waits));
    assert_true(slice_equal(call.token, SLICE("abc")));
    assert_true(slice_equal(call.once, SLICE("k 1")));
    assert_false(waits);
    assert_null(read_head(POST "Expect: 100-Continue\r\nContent-Length: 3\r\n\r\n", &call, &body, &waits));
    assert_true(waits);
    assert_null(call.once.data);
}

static void long_values(void **state)
{
    (void)state;
    struct http_call call;
    struct http_body body;
    bool waits;
    char head[1024];
    for (int length = HTTP_KEY_MOST; length <= HTTP_KEY_MOST + 1; length++) {
        snprintf(head, sizeof head, POST "Idempotency-Key: %0*d\r\n\r\n", length, 0);
        const struct http_refusal *refusal = read_head(head, &call, &body, &waits);
        assert_int_equal(refusal != NULL, length > HTTP_KEY_MOST);
    }
    for (int length = HTTP_TOKEN_MOST; length <= HTTP_TOKEN_MOST + 1; length++) {
        snprintf(head, sizeof head, POST "Authorization: Bearer %0*d\r\n\r\n", length, 0);
        const struct http_refusal *refusal = read_head(head, &call, &body, &waits);
        assert_int_equal(refusal != NULL, length > HTTP_TOKEN_MOST);
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

static void other_paths_are_not_for_methods(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "GET /ws HTTP/1.1\r\nHost: a\r\n\r\n",         "POST /apis/a/b HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /API/a/b HTTP/1.1\r\nHost: a\r\n\r\n",   "POST //api/a/b HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /x/api/a/b HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        static struct http_request request;
        size_t used;
        if (http_request_parse(slice_text(heads[i]), &used, &request) == HTTP_REQUEST_COMPLETE)
            assert_false(http_api_is_meant(&request));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_read_or_refused),
        cmocka_unit_test(what_a_head_says),
        cmocka_unit_test(long_values),
        cmocka_unit_test(lengths_are_unambiguous),
        cmocka_unit_test(other_paths_are_not_for_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
