#include "worker/net/handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define REST "Host: lab.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define HTTPS "X-Forwarded-Proto: https\r\n"
#define EMPTY "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"
#define HEAD "GET /ws HTTP/1.1\r\n" REST KEY

static char *const ORIGINS[] = {"https://other.example", "null", "http://port.example:80", "app://a"};
static const struct handshake_options OPTIONS = {.origins = ORIGINS, .origin_count = 4};

struct sample {
    const char *head;
    const char *status; /* "101", "400", ...; NULL: incomplete */
};

static const struct sample SAMPLES[] = {
    {HEAD "\r\n", "101"},
    {"GET /ws?a=b HTTP/1.1\r\n" REST KEY "\r\n", "101"},
    {"GET http://lab.example/ws HTTP/1.1\r\n" REST KEY "\r\n", "101"},
    {"GET /ws HTTP/1.1\r\nhost:lab.example\r\nUPGRADE: WebSocket\r\nconnection: keep-alive, upgrade\r\n"
     "sec-websocket-version:13\r\nsec-websocket-key:  dGhlIHNhbXBsZSBub25jZQ== \r\n\r\n",
     "101"},
    {"GET /ws HTTP/1.1\r\nConnection: keep-alive\r\n" REST KEY "\r\n", "101"},
    {HEAD "Content-Length: 0\r\n\r\n", "101"},
    {HEAD "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n", "101"},
    /* subprotocols */
    {HEAD "Sec-WebSocket-Protocol: dispatchd.1\r\n\r\n", "101"},
    {HEAD "Sec-WebSocket-Protocol: chat, dispatchd.1\r\n\r\n", "101"},
    {HEAD "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: dispatchd.1\r\n\r\n", "101"},
    {HEAD "Sec-WebSocket-Protocol: chat\r\n\r\n", "400"},
    {HEAD "Sec-WebSocket-Protocol: dispatchd.10, dispatchd\r\n\r\n", "400"},
    /* origins */
    {HEAD "Origin: http://lab.example\r\n\r\n", "101"},
    {HEAD "Origin: https://LAB.example\r\n\r\n", "101"},
    {HEAD "Origin: https://lab.example:443\r\n\r\n", "101"},
    {HEAD "Origin: https://other.example\r\n\r\n", "101"},
    {HEAD "Origin: null\r\n\r\n", "101"},
    {HEAD "Origin: https://lab.example:8443\r\n\r\n", "403"},
    {HEAD "Origin: http://lab.example:443\r\n\r\n", "403"},
    {HEAD "Origin: https://evil.example\r\n\r\n", "403"},
    {HEAD "Origin: https://other.example.evil\r\n\r\n", "403"},
    {HEAD "Origin: https://lab.example.evil.example\r\n\r\n", "403"},
    {HEAD "Origin: https://evil.example@lab.example\r\n\r\n", "403"},
    {HEAD "Origin: ftp://lab.example\r\n\r\n", "403"},
    {HEAD "Origin: lab.example\r\n\r\n", "403"},
    {HEAD "Origin:\r\n\r\n", "403"},
    {HEAD "Origin: http://lab.example\r\nOrigin: https://evil.example\r\n\r\n", "400"},
    {HEAD "Origin: https://other.example:443\r\n\r\n", "101"},
    {HEAD "Origin: https://other.example:80\r\n\r\n", "403"},
    {HEAD "Origin: http://other.example\r\n\r\n", "403"},
    {HEAD "Origin: http://other.example:443\r\n\r\n", "403"},
    {HEAD "Origin: http://port.example\r\n\r\n", "101"},
    {HEAD "Origin: https://port.example\r\n\r\n", "403"},
    {HEAD "Origin: app://A\r\n\r\n", "101"},
    {HEAD "Origin: app://a:80\r\n\r\n", "403"},
    /* behind a proxy that says what the browser uses */
    {HEAD HTTPS "Origin: https://lab.example\r\n\r\n", "101"},
    {HEAD HTTPS "Origin: https://lab.example:443\r\n\r\n", "101"},
    {HEAD HTTPS "Origin: http://lab.example\r\n\r\n", "403"},
    {HEAD HTTPS "Origin: http://lab.example:80\r\n\r\n", "403"},
    {HEAD HTTPS "Origin: http://lab.example:443\r\n\r\n", "403"},
    {HEAD HTTPS "Origin: http://port.example\r\n\r\n", "101"},
    {HEAD HTTPS "\r\n", "101"},
    {HEAD "x-forwarded-proto: HTTPS\r\nOrigin: http://lab.example\r\n\r\n", "403"},
    {HEAD "X-Forwarded-Proto: wss\r\nOrigin: http://lab.example\r\n\r\n", "403"},
    {HEAD "X-Forwarded-Proto: wss\r\nOrigin: https://lab.example\r\n\r\n", "101"},
    {HEAD "X-Forwarded-Proto: https, http\r\nOrigin: http://lab.example\r\n\r\n", "403"},
    {HEAD HTTPS "X-Forwarded-Proto: http\r\nOrigin: http://lab.example\r\n\r\n", "403"},
    {HEAD "X-Forwarded-Proto: http\r\nOrigin: http://lab.example\r\n\r\n", "101"},
    {HEAD "X-Forwarded-Proto: http\r\nOrigin: https://lab.example\r\n\r\n", "403"},
    {HEAD "X-Forwarded-Proto: ws\r\nOrigin: http://lab.example\r\n\r\n", "101"},
    {HEAD "X-Forwarded-Proto:\r\nOrigin: https://lab.example\r\n\r\n", "101"},
    {HEAD "X-Forwarded-Proto: ftp\r\nOrigin: http://lab.example\r\n\r\n", "101"},
    /* where and how */
    {"GET / HTTP/1.1\r\n" REST KEY "\r\n", "404"},
    {"GET /ws/ HTTP/1.1\r\n" REST KEY "\r\n", "404"},
    {"GET /wsx HTTP/1.1\r\n" REST KEY "\r\n", "404"},
    {"GET /WS HTTP/1.1\r\n" REST KEY "\r\n", "404"},
    {"GET /%77s HTTP/1.1\r\n" REST KEY "\r\n", "404"},
    {"POST /ws HTTP/1.1\r\n" REST KEY "\r\n", "405"},
    {"HEAD /ws HTTP/1.1\r\n" REST KEY "\r\n", "405"},
    {"HEAD / HTTP/1.1\r\n" REST KEY "\r\n", "404"},
    {"HEAD /ws HTTP/1.1\r\nHost:\r\n\r\n", "400"},
    {"HEAD /ws HTTP/1.1\r\nX: a\n", "400"},
    {"HEAD /ws HTTP/3.0\r\n\r\n", "505"},
    {"POST /ws HTTP/1.1\r\n" REST KEY "Content-Length: 5\r\n\r\n", "405"},
    {"POST /wsx HTTP/1.1\r\n" REST KEY "Content-Length: 5\r\n\r\n", "404"},
    {"GET /ws HTTP/1.0\r\n" REST KEY "\r\n", "426"}, /* it knows no Upgrade */
    {"GET /ws HTTP/1.0\r\n\r\n", "426"},
    {"GET / HTTP/1.0\r\n\r\n", "404"},
    {"GET /ws HTTP/1.2\r\n" REST KEY "\r\n", "101"},
    {"GET /ws HTTP/2.0\r\n" REST KEY "\r\n", "505"},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
    {"GET /ws HTTP/0.9\r\n" REST KEY "\r\n", "400"},
    {"GET /ws HTTP/1\r\n" REST KEY "\r\n", "400"},
    {"GET /ws http/1.1\r\n" REST KEY "\r\n", "400"},
    {"GET /ws\r\n\r\n", "400"},
    {"GET /ws\r\n" REST KEY "\r\n", "400"},
    {"GET HTTP/1.1\r\n" REST KEY "\r\n", "400"},
    {"GET  HTTP/1.1\r\n" REST KEY "\r\n", "400"},
    {"GET/ws HTTP/1.1\r\n" REST KEY "\r\n", "400"},
    {"get /ws HTTP/1.1\r\n" REST KEY "\r\n", "501"},
    {"NOSUCH /ws HTTP/1.1\r\n" REST KEY "\r\n", "501"},
    {"PROPFIND /ws HTTP/1.1\r\n" REST KEY "\r\n", "501"},
    {"M-SEARCH * HTTP/1.0\r\n\r\n", "501"},
    {"GETT /ws HTTP/1.1\r\n" REST KEY "\r\n", "501"},
    {"CONNECT lab.example:80 HTTP/1.1\r\n" REST KEY "\r\n", "501"},
    {"G(T /ws HTTP/1.1\r\n" REST KEY "\r\n", "400"},
    /* empty lines before */
    {"\r\n" HEAD "\r\n", "101"},
    {EMPTY HEAD "\r\n", "101"},
    {EMPTY "\r\n" HEAD "\r\n", "400"},
    {"\r" HEAD "\r\n", "400"},
    {"\n" HEAD "\r\n", "400"},
    {"\r\n\n" HEAD "\r\n", "400"},
    {"\r\n " HEAD "\r\n", "400"},
    /* an absolute target counts, whatever Host says */
    {"GET http://a.example/ws HTTP/1.1\r\n" REST KEY "Origin: http://a.example\r\n\r\n", "101"},
    {"GET http://a.example/ws HTTP/1.1\r\n" REST KEY "Origin: http://lab.example\r\n\r\n", "403"},
    {"GET http://a.example:81/ws HTTP/1.1\r\n" REST KEY "Origin: http://a.example:81\r\n\r\n", "101"},
    {"GET WSS://A.example/ws HTTP/1.1\r\n" REST KEY "Origin: https://a.example\r\n\r\n", "101"},
    {"GET ws://a.example/ws HTTP/1.1\r\n" REST KEY "Origin: https://a.example\r\n\r\n", "403"},
    {"GET http://[::1]:81/ws?x HTTP/1.1\r\n" REST KEY "Origin: http://[::1]:81\r\n\r\n", "101"},
    {"GET http://lab.example@evil.example/ws HTTP/1.1\r\n" REST KEY "\r\n", "400"},
    {"GET http:///ws HTTP/1.1\r\n" REST KEY "\r\n", "400"},
    {"GET http:/ws HTTP/1.1\r\n" REST KEY "\r\n", "400"},
    {"GET ftp://lab.example/ws HTTP/1.1\r\n" REST KEY "\r\n", "400"},
    {"GET http://lab.example HTTP/1.1\r\n" REST KEY "\r\n", "404"},
    {"GET http://lab.example?/ws HTTP/1.1\r\n" REST KEY "\r\n", "404"},
    {"GET ws HTTP/1.1\r\n" REST KEY "\r\n", "400"},
    /* hosts */
    {"GET /ws HTTP/1.1\r\nHost: a/\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\nHost: u@a\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\nHost: u:p@a:80\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\nHost: a?\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\nHost: a#\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\nHost: a\\b\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\nHost: http://a\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\nHost: a, b\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\nHost: a:b\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\nHost: a:8:8\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\nHost: :80\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\nHost: [::1\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\nHost: [\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\nHost: []:80\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\nHost: [::1]x\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\nHost: [u@a]\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n", "400"},
    {"GET /ws HTTP/1.0\r\nHost: u@a\r\n\r\n", "400"},
    {"GET /ws HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "426"},
    {"GET /ws HTTP/1.1\r\nHost: a:\r\n\r\n", "426"},
    {"GET /ws HTTP/1.1\r\nHost: a_b.x-n--~%20!$&'()*+;=:65535\r\n\r\n", "426"},
    /* no upgrade */
    {"GET /ws HTTP/1.1\r\nHost: lab.example\r\n\r\n", "426"},
    {"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n" KEY
     "Sec-WebSocket-Version: 13\r\n\r\n",
     "426"},
    {"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUpgrade: websocket\r\n" KEY
     "Sec-WebSocket-Version: 13\r\n\r\n",
     "426"},
    {"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" KEY
     "Sec-WebSocket-Version: 8\r\n\r\n",
     "426"},
    {"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" KEY "\r\n", "426"},
    {HEAD "Sec-WebSocket-Version: 13\r\n\r\n", "400"},
    /* keys */
    {"GET /ws HTTP/1.1\r\n" REST "\r\n", "400"},
    {"GET /ws HTTP/1.1\r\n" REST "Sec-WebSocket-Key: \r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\n" REST "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\n" REST "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA\r\n\r\n", "400"},
    {"GET /ws HTTP/1.1\r\n" REST "Sec-WebSocket-Key: dGhlIHNhb*BsZSBub25jZQ==\r\n\r\n", "400"},
    {HEAD KEY "\r\n", "400"},
    /* what http-parser lets pass */
    {"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" KEY
     "\r\n",
     "400"},
    {"GET /ws HTTP/1.1\r\nHost:\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
     "13\r\n" KEY "\r\n",
     "400"},
    {HEAD "Host: lab.example\r\n\r\n", "400"},
    {HEAD "Host : lab.example\r\n\r\n", "400"},
    {HEAD "X Y: z\r\n\r\n", "400"},
    {HEAD ": z\r\n\r\n", "400"},
    {HEAD "no colon\r\n\r\n", "400"},
    {HEAD "X:\r\n value\r\n\r\n", "400"},
    {HEAD "X: folded\r\n value\r\n\r\n", "400"},
    {HEAD "X: folded\r\n\tvalue\r\n\r\n", "400"},
    {HEAD "X: y\n\r\n", "400"},
    {HEAD "X: y\rZ: a\r\n\r\n", "400"},
    {HEAD "X: y\r\r\n\r\n", "400"},
    {HEAD "\n", "400"},
    {"GET /ws HTTP/1.1\n", "400"},
    {HEAD "X: \x01\r\n\r\n", "400"},
    {HEAD "X: \x7f\r\n\r\n", "400"},
    {HEAD "Content-Length: 5\r\n\r\n", "400"},
    {HEAD "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", "400"},
    {HEAD "Transfer-Encoding: chunked\r\n\r\n", "400"},
    {"\x16\x03\x01", "400"}, /* TLS */
    {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "400"},
    /* not yet all */
    {"", NULL},
    {"GET /ws HTTP/1.1\r\n" REST, NULL},
    {HEAD "\r", NULL},
    {"\r", NULL},
    {"\r\n", NULL},
    {EMPTY "\r", NULL},
    {"\r\n" HEAD, NULL},
    {"nosuch", NULL},
};

enum { SAMPLE_COUNT = sizeof SAMPLES / sizeof SAMPLES[0] };

static enum handshake_result parse(struct slice bytes, struct handshake *handshake, struct buffer *response)
{
    size_t used;
    enum handshake_result result = handshake_parse(&OPTIONS, bytes, &used, handshake, response);
    if (result != HANDSHAKE_ACCEPTED)
        assert_int_equal(used, 0);
    return result;
}

static void check_status(const struct buffer *response, const char *status, const char *head)
{
    if (response->length < 12 || memcmp(response->data + 9, status, 3) != 0)
        fail_msg("expected %s, found %.12s for\n%s", status, response->length ? response->data : "nothing",
                 head);
}

static bool contains(const struct buffer *text, const char *what)
{
    return memmem(text->data, text->length, what, strlen(what)) != NULL;
}

static void check_refusal(const struct sample *sample, enum handshake_result result,
                          const struct buffer *response)
{
    bool head_only = strncmp(sample->head, "HEAD ", 5) == 0;
    bool foreign = strcmp(sample->status, "403") == 0;
    assert_int_equal(result, foreign ? HANDSHAKE_FOREIGN : HANDSHAKE_REFUSED);
    assert_true(contains(response, "close\r\n"));
    assert_int_equal(contains(response, "\r\nAllow: GET, OPTIONS\r\n"), strcmp(sample->status, "405") == 0);
    assert_int_equal(contains(response, "\r\n\r\n{\"warning\":true,\"code\":\""), !head_only);
    if (head_only)
        assert_memory_equal(response->data + response->length - 4, "\r\n\r\n", 4);
    else if (strcmp(sample->status, "404") == 0)
        assert_true(contains(response, " /ws") && contains(response, " /api/COLLECTION/METHOD"));
}

static void every_head_gets_its_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct handshake handshake = {0};
        struct buffer response = {0};
        enum handshake_result result = parse(slice_text(SAMPLES[i].head), &handshake, &response);
        if (!SAMPLES[i].status) {
            assert_int_equal(result, HANDSHAKE_INCOMPLETE);
            assert_int_equal(response.length, 0);
        } else {
            check_status(&response, SAMPLES[i].status, SAMPLES[i].head);
            bool accepted = strcmp(SAMPLES[i].status, "101") == 0;
            if (accepted)
                assert_int_equal(result, HANDSHAKE_ACCEPTED);
            else
                check_refusal(&SAMPLES[i], result, &response);
            assert_true(contains(&response, "\r\nDate: "));
        }
        buffer_free(&response);
    }
}

/* However a head is cut, the answer is the same, and an acceptable one is never answered early. */
static void a_head_may_come_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct slice head = slice_text(SAMPLES[i].head);
        if (!SAMPLES[i].status)
            continue;
        struct buffer response = {0};
        enum handshake_result result = HANDSHAKE_INCOMPLETE;
        size_t length = 0;
        while (result == HANDSHAKE_INCOMPLETE && length < head.length) {
            struct handshake handshake = {0};
            result = parse(slice_of(head.data, ++length), &handshake, &response);
        }
        check_status(&response, SAMPLES[i].status, SAMPLES[i].head);
        assert_true(result != HANDSHAKE_ACCEPTED || length == head.length);
        buffer_free(&response);
    }
}

/* RFC 6455 section 1.3. */
static void the_answer_is_that_of_the_rfc(void **state)
{
    (void)state;
    struct handshake handshake = {0};
    struct buffer response = {0};
    assert_int_equal(parse(SLICE(HEAD "\r\n"), &handshake, &response), HANDSHAKE_ACCEPTED);
    static const char first[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nDate: ";
    static const char last[] = " GMT\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    assert_int_equal(response.length, strlen(first) + strlen("Sun, 06 Nov 1994 08:49:37") + strlen(last));
    assert_memory_equal(response.data, first, strlen(first));
    assert_memory_equal(response.data + response.length - strlen(last), last, strlen(last));
    buffer_clear(&response);
    assert_int_equal(
        parse(SLICE(HEAD "Sec-WebSocket-Protocol: a, dispatchd.1\r\n\r\n"), &handshake, &response),
        HANDSHAKE_ACCEPTED);
    assert_true(contains(&response, "\r\nSec-WebSocket-Protocol: dispatchd.1\r\n"));
    buffer_clear(&response);
    assert_int_equal(parse(SLICE("GET /ws HTTP/1.1\r\nHost: a\r\n\r\n"), &handshake, &response),
                     HANDSHAKE_REFUSED);
    assert_true(contains(&response, "\r\nSec-WebSocket-Version: 13\r\n"));
    assert_true(contains(&response, "\r\nUpgrade: websocket\r\n"));
    assert_true(contains(&response, "\r\nConnection: Upgrade, close\r\n"));
    buffer_free(&response);
}

static void bytes_behind_the_head_are_left(void **state)
{
    (void)state;
    size_t used = 0;
    struct handshake handshake = {0};
    struct buffer response = {0};
    static const char bytes[] = HEAD "\r\n\x81\x80\x01\x02\x03\x04";
    enum handshake_result result = handshake_parse(&OPTIONS, SLICE(bytes), &used, &handshake, &response);
    assert_int_equal(result, HANDSHAKE_ACCEPTED);
    assert_int_equal(used, sizeof bytes - 1 - 6);
    buffer_free(&response);
}

struct token_sample {
    const char *header, *token;
};

static void the_token_is_found(void **state)
{
    (void)state;
    static const struct token_sample samples[] = {
        {"", ""},
        {"Authorization: Bearer abc.DEF-1\r\n", "abc.DEF-1"},
        {"authorization: bearer   abc\r\n", "abc"},
        {"Authorization: Basic abc\r\n", ""},
        {"Authorization: Bearer\r\n", ""},
        {"Cookie: dispatchd_token=xyz\r\n", "xyz"},
        {"Cookie: a=b; dispatchd_token=xyz; c=d\r\n", "xyz"},
        {"Cookie: a=b\r\nCookie: dispatchd_token=xyz\r\n", "xyz"},
        {"Cookie: xdispatchd_token=xyz; dispatchd_tokens=1\r\n", ""},
        {"Cookie: dispatchd_token=\r\n", ""},
        {"Cookie: dispatchd_token=xyz\r\nAuthorization: Bearer abc\r\n", "abc"},
        {"Cookie: dispatchd_token=xyz\r\nOrigin: http://lab.example\r\n", "xyz"},
        {"Cookie: dispatchd_token=xyz\r\nOrigin: https://other.example\r\n", ""},
        {"Cookie: dispatchd_token=xyz\r\nOrigin: https://other.example\r\nSec-Fetch-Site: same-origin\r\n",
         "xyz"},
        {"Cookie: dispatchd_token=xyz\r\nOrigin: http://lab.example\r\nSec-Fetch-Site: same-site\r\n", ""},
        {"Authorization: Bearer abc\r\nOrigin: https://other.example\r\n", "abc"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct handshake handshake;
        memset(&handshake, 'x', sizeof handshake);
        struct buffer head = {0}, response = {0};
        buffer_append_format(&head, "%s%s\r\n", HEAD, samples[i].header);
        assert_int_equal(parse(buffer_slice(&head), &handshake, &response), HANDSHAKE_ACCEPTED);
        assert_string_equal(handshake.token, samples[i].token);
        assert_string_equal(handshake.browser, "");
        buffer_free(&head);
        buffer_free(&response);
    }
}

static enum handshake_result parse_filled(const char *before, char fill, size_t count,
                                          struct handshake *handshake, struct buffer *response)
{
    struct buffer head = {0};
    buffer_append_format(&head, "%s%s", HEAD, before);
    for (size_t i = 0; i < count; i++)
        buffer_append_byte(&head, fill);
    buffer_append_text(&head, "\r\n\r\n");
    enum handshake_result result = parse(buffer_slice(&head), handshake, response);
    buffer_free(&head);
    return result;
}

static void long_tokens_are_refused_and_long_browsers_cut(void **state)
{
    (void)state;
    struct handshake handshake = {0};
    struct buffer response = {0};
    assert_int_equal(parse_filled("Authorization: Bearer ", 't', HANDSHAKE_TOKEN_MOST, &handshake, &response),
                     HANDSHAKE_ACCEPTED);
    assert_int_equal(strlen(handshake.token), HANDSHAKE_TOKEN_MOST);
    assert_int_equal(
        parse_filled("Authorization: Bearer ", 't', HANDSHAKE_TOKEN_MOST + 1, &handshake, &response),
        HANDSHAKE_REFUSED);
    assert_int_equal(parse_filled("User-Agent: ", 'b', 500, &handshake, &response), HANDSHAKE_ACCEPTED);
    assert_int_equal(strlen(handshake.browser), sizeof handshake.browser - 1);
    assert_int_equal(parse_filled("User-Agent: ", '\xff', 3, &handshake, &response), HANDSHAKE_ACCEPTED);
    assert_string_equal(handshake.browser, "???");
    buffer_free(&response);
}

static void large_heads_are_refused(void **state)
{
    (void)state;
    size_t room = HTTP_HEAD_MOST - strlen(HEAD "X: \r\n\r\n");
    struct handshake handshake = {0};
    struct buffer response = {0};
    assert_int_equal(parse_filled("X: ", 'x', room, &handshake, &response), HANDSHAKE_ACCEPTED);
    buffer_clear(&response);
    assert_int_equal(parse_filled("X: ", 'x', room + 1, &handshake, &response), HANDSHAKE_REFUSED);
    check_status(&response, "431", "a head of one byte too many");
    buffer_clear(&response);

    struct buffer head = {0};
    buffer_append_text(&head, HEAD);
    for (int i = 0; i < HTTP_HEADERS_MOST - 5; i++)
        buffer_append_format(&head, "X%d: y\r\n", i);
    size_t length = head.length;
    buffer_append_text(&head, "\r\n");
    assert_int_equal(parse(buffer_slice(&head), &handshake, &response), HANDSHAKE_ACCEPTED);
    head.length = length;
    buffer_append_text(&head, "Last: y\r\n\r\n");
    buffer_clear(&response);
    assert_int_equal(parse(buffer_slice(&head), &handshake, &response), HANDSHAKE_REFUSED);
    check_status(&response, "431", "too many headers");
    buffer_free(&head);
    buffer_free(&response);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_head_gets_its_answer),
        cmocka_unit_test(a_head_may_come_byte_by_byte),
        cmocka_unit_test(the_answer_is_that_of_the_rfc),
        cmocka_unit_test(bytes_behind_the_head_are_left),
        cmocka_unit_test(the_token_is_found),
        cmocka_unit_test(long_tokens_are_refused_and_long_browsers_cut),
        cmocka_unit_test(large_heads_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
