#include "worker/net/http/http_body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* Bodies of requests, in one piece and cut at every byte. */

enum { MOST = 32 };

struct sample {
    const char *bytes;
    enum http_body_result result;
    size_t used;         /* when it ends */
    const char *content; /* when it ends */
};

static const struct sample CHUNKED[] = {
    {"0\r\n\r\n", HTTP_BODY_END, 5, ""},
    {"0\r\n\r\nPOST", HTTP_BODY_END, 5, ""},
    {"00000\r\n\r\n", HTTP_BODY_END, 9, ""},
    {"3\r\nabc\r\n0\r\n\r\n", HTTP_BODY_END, 13, "abc"},
    {"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nx", HTTP_BODY_END, 20, "abcde"},
    {"0a\r\n0123456789\r\n0\r\n\r\n", HTTP_BODY_END, 21, "0123456789"},
    {"A\r\n0\r\n\r\n56789\r\n0\r\n\r\n", HTTP_BODY_END, 20, "0\r\n\r\n56789"},
    {"3;name=value\r\nabc\r\n0 ; x=\"y\"\r\n\r\n", HTTP_BODY_END, 32, "abc"},
    {"0\r\nX: y\r\nZ:\r\n\r\n", HTTP_BODY_END, 15, ""},
    {"20\r\n0123456789abcdef0123456789abcdef\r\n0\r\n\r\n", HTTP_BODY_END, 43,
     "0123456789abcdef0123456789abcdef"},
    /* not yet all */
    {"", HTTP_BODY_MORE, 0, NULL},
    {"3", HTTP_BODY_MORE, 0, NULL},
    {"3\r\nabc\r\n0\r\n\r", HTTP_BODY_MORE, 0, NULL},
    {"3\r\nabc\r\n0\r\nX: y\r\n", HTTP_BODY_MORE, 0, NULL},
    /* more than there may be */
    {"21", HTTP_BODY_TOO_LARGE, 0, NULL},
    {"ffffffffffffffffffff", HTTP_BODY_TOO_LARGE, 0, NULL},
    {"10\r\n0123456789abcdef\r\n11", HTTP_BODY_TOO_LARGE, 0, NULL},
    /* what others might read in another way */
    {"\r\n", HTTP_BODY_MALFORMED, 0, NULL},
    {"3\nabc\r\n", HTTP_BODY_MALFORMED, 0, NULL},
    {"3\r\r\nabc", HTTP_BODY_MALFORMED, 0, NULL},
    {"3\rabc", HTTP_BODY_MALFORMED, 0, NULL},
    {"3;a\nabc", HTTP_BODY_MALFORMED, 0, NULL},
    {"3;\x01", HTTP_BODY_MALFORMED, 0, NULL},
    {";a\r\n", HTTP_BODY_MALFORMED, 0, NULL},
    {"0x3\r\n", HTTP_BODY_MALFORMED, 0, NULL},
    {"+3\r\n", HTTP_BODY_MALFORMED, 0, NULL},
    {"-3\r\n", HTTP_BODY_MALFORMED, 0, NULL},
    {" 3\r\n", HTTP_BODY_MALFORMED, 0, NULL},
    {"g\r\n", HTTP_BODY_MALFORMED, 0, NULL},
    {"3\r\nabcd", HTTP_BODY_MALFORMED, 0, NULL},
    {"3\r\nabc\n", HTTP_BODY_MALFORMED, 0, NULL},
    {"3\r\nabc\rx", HTTP_BODY_MALFORMED, 0, NULL},
    {"3\r\nabc\r\n\r\n", HTTP_BODY_MALFORMED, 0, NULL},
    {"0\r\n\n", HTTP_BODY_MALFORMED, 0, NULL},
    {"0\r\n\rx", HTTP_BODY_MALFORMED, 0, NULL},
    {"0\r\n folded: x\r\n", HTTP_BODY_MALFORMED, 0, NULL},
    {"0\r\n: x\r\n", HTTP_BODY_MALFORMED, 0, NULL},
    {"0\r\nX: y\n", HTTP_BODY_MALFORMED, 0, NULL},
    {"0\r\nX: \x7f\r\n", HTTP_BODY_MALFORMED, 0, NULL},
};

/* Feeds the sample in two pieces; @used is over both. */
static enum http_body_result feed(const struct sample *sample, size_t cut, size_t *used,
                                  struct buffer *content)
{
    struct http_body body;
    size_t more = 0, length = strlen(sample->bytes);
    buffer_clear(content);
    assert_true(http_body_start(&body, HTTP_FRAMING_CHUNKED, 0, MOST));
    enum http_body_result result = http_body_feed(&body, slice_of(sample->bytes, cut), used, content);
    if (result != HTTP_BODY_MORE)
        return result;
    assert_int_equal(*used, cut);
    result = http_body_feed(&body, slice_of(sample->bytes + cut, length - cut), &more, content);
    *used += more;
    return result;
}

static void chunked_bodies_cut_at_every_byte(void **state)
{
    (void)state;
    struct buffer content = {0};
    for (size_t i = 0; i < sizeof CHUNKED / sizeof *CHUNKED; i++) {
        const struct sample *sample = &CHUNKED[i];
        for (size_t cut = 0; cut <= strlen(sample->bytes); cut++) {
            size_t used;
            enum http_body_result result = feed(sample, cut, &used, &content);
            if (result != sample->result)
                fail_msg("sample %zu cut at %zu: %d", i, cut, result);
            if (result != HTTP_BODY_END)
                continue;
            assert_int_equal(used, sample->used);
            assert_true(slice_equal(buffer_slice(&content), slice_text(sample->content)));
        }
    }
    buffer_free(&content);
}

static void a_length_is_kept_to(void **state)
{
    (void)state;
    struct http_body body;
    struct buffer content = {0};
    size_t used;
    assert_true(http_body_start(&body, HTTP_FRAMING_LENGTH, 0, 0));
    assert_int_equal(http_body_feed(&body, SLICE("POST"), &used, &content), HTTP_BODY_END);
    assert_int_equal(used, 0);
    assert_true(http_body_start(&body, HTTP_FRAMING_LENGTH, MOST, MOST));
    for (int i = 0; i < MOST - 1; i++)
        assert_int_equal(http_body_feed(&body, SLICE("a"), &used, &content), HTTP_BODY_MORE);
    assert_int_equal(http_body_feed(&body, SLICE("abc"), &used, &content), HTTP_BODY_END);
    assert_int_equal(used, 1);
    assert_int_equal(content.length, MOST);
    assert_false(http_body_start(&body, HTTP_FRAMING_LENGTH, MOST + 1, MOST));
    buffer_free(&content);
}

/* Feeds @start and then @byte until the body is refused; how often that was. */
static size_t feed_until_refused(const char *start, char byte)
{
    struct http_body body;
    struct buffer content = {0};
    size_t used, count = 0;
    assert_true(http_body_start(&body, HTTP_FRAMING_CHUNKED, 0, MOST));
    assert_int_equal(http_body_feed(&body, slice_text(start), &used, &content), HTTP_BODY_MORE);
    enum http_body_result result;
    while ((result = http_body_feed(&body, slice_of(&byte, 1), &used, &content)) == HTTP_BODY_MORE)
        count++;
    assert_int_equal(result, HTTP_BODY_MALFORMED);
    buffer_free(&content);
    return count;
}

static void lines_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(feed_until_refused("0;", 'a'), HTTP_CHUNK_LINE_MOST - 2);
    assert_int_equal(feed_until_refused("", '0'), HTTP_CHUNK_LINE_MOST);
    assert_int_equal(feed_until_refused("0\r\nX", 'a'), HTTP_TRAILERS_MOST - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunked_bodies_cut_at_every_byte),
        cmocka_unit_test(a_length_is_kept_to),
        cmocka_unit_test(lines_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
