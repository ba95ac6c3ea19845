#include "worker/net/frame.h"
#include "worker/net/frame_write.h"

#include <stdio.h>

#include "tests/unit/worker/net/frame_stream.h"

#define BYTES(literal) literal, sizeof(literal) - 1

struct frame {
    unsigned first;
    const char *payload;
    size_t length;
};

struct sample {
    struct frame frames[6];
    const char *expected; /* what the sink saw, then the code if there was one */
};

static const struct sample SAMPLES[] = {
    /* RFC 6455 section 5.7 */
    {{{FINAL | OPCODE_TEXT, BYTES("Hello")}}, "text(Hello) "},
    {{{OPCODE_TEXT, BYTES("Hel")}, {FINAL | OPCODE_CONTINUATION, BYTES("lo")}}, "text(Hello) "},
    {{{FINAL | OPCODE_PING, BYTES("Hello")}, {FINAL | OPCODE_PONG, BYTES("Hello")}},
     "ping(Hello) pong(Hello) "},
    /* empty ones */
    {{{FINAL | OPCODE_TEXT, BYTES("")}, {FINAL | OPCODE_BINARY, BYTES("")}}, "text() binary() "},
    {{{OPCODE_TEXT, BYTES("")}, {OPCODE_CONTINUATION, BYTES("")}, {FINAL | OPCODE_CONTINUATION, BYTES("")}},
     "text() "},
    {{{OPCODE_TEXT, BYTES("")}, {OPCODE_CONTINUATION, BYTES("x")}, {FINAL | OPCODE_CONTINUATION, BYTES("")}},
     "text(x) "},
    {{{FINAL | OPCODE_PING, BYTES("")}, {FINAL | OPCODE_TEXT, BYTES("a")}}, "ping() text(a) "},
    /* control frames between fragments */
    {{{OPCODE_TEXT, BYTES("a")},
      {FINAL | OPCODE_PING, BYTES("p")},
      {OPCODE_CONTINUATION, BYTES("b")},
      {FINAL | OPCODE_PONG, BYTES("q")},
      {FINAL | OPCODE_CONTINUATION, BYTES("c")}},
     "ping(p) pong(q) text(abc) "},
    {{{OPCODE_BINARY, BYTES("a")},
      {FINAL | OPCODE_CLOSE, BYTES("\x03\xe8"
                                   "bye")}},
     "close(1000,bye) "},
    /* order of fragments */
    {{{FINAL | OPCODE_CONTINUATION, BYTES("a")}}, "1002"},
    {{{OPCODE_CONTINUATION, BYTES("a")}}, "1002"},
    {{{OPCODE_TEXT, BYTES("a")}, {FINAL | OPCODE_TEXT, BYTES("b")}}, "1002"},
    {{{OPCODE_TEXT, BYTES("a")}, {OPCODE_BINARY, BYTES("b")}}, "1002"},
    {{{OPCODE_TEXT, BYTES("a")},
      {FINAL | OPCODE_CONTINUATION, BYTES("b")},
      {FINAL | OPCODE_CONTINUATION, BYTES("c")}},
     "text(ab) 1002"},
    /* reserved bits and opcodes */
    {{{FINAL | RSV1 | OPCODE_TEXT, BYTES("a")}}, "1002"},
    {{{FINAL | RSV2 | OPCODE_TEXT, BYTES("a")}}, "1002"},
    {{{FINAL | RSV3 | OPCODE_TEXT, BYTES("a")}}, "1002"},
    {{{FINAL | RSV1 | OPCODE_PING, BYTES("")}}, "1002"},
    {{{FINAL | RSV3 | OPCODE_CLOSE, BYTES("")}}, "1002"},
    {{{OPCODE_TEXT, BYTES("a")}, {FINAL | RSV1 | OPCODE_CONTINUATION, BYTES("b")}}, "1002"},
    {{{FINAL | 3, BYTES("a")}}, "1002"},
    {{{FINAL | 7, BYTES("")}}, "1002"},
    {{{FINAL | 0xB, BYTES("")}}, "1002"},
    {{{FINAL | 0xF, BYTES("a")}}, "1002"},
    {{{FINAL | OPCODE_TEXT, BYTES("a")}, {FINAL | 5, BYTES("a")}, {FINAL | OPCODE_PING, BYTES("b")}},
     "text(a) 1002"},
    /* control frames that are none */
    {{{OPCODE_PING, BYTES("a")}}, "1002"},
    {{{OPCODE_CLOSE, BYTES("")}}, "1002"},
    /* close frames */
    {{{FINAL | OPCODE_CLOSE, BYTES("")}}, "close(1005,) "},
    {{{FINAL | OPCODE_CLOSE, BYTES("\x03\xe8")}}, "close(1000,) "},
    {{{FINAL | OPCODE_CLOSE, BYTES("\x03\xe9"
                                   "\xc3\xa4")}},
     "close(1001,\xc3\xa4) "},
    {{{FINAL | OPCODE_CLOSE, BYTES("\x03")}}, "1002"},
    {{{FINAL | OPCODE_CLOSE, BYTES("\x03\xe8"
                                   "\xc3")}},
     "1007"},
    {{{FINAL | OPCODE_CLOSE, BYTES("\x03\xe8"
                                   "\xff")}},
     "1007"},
    {{{FINAL | OPCODE_CLOSE, BYTES("\x03\xe8")}, {FINAL | OPCODE_TEXT, BYTES("more")}}, "close(1000,) "},
    /* UTF-8 */
    {{{FINAL | OPCODE_TEXT, BYTES("\xce\xba\xe1\xbd\xb9")}}, "text(\xce\xba\xe1\xbd\xb9) "},
    {{{OPCODE_TEXT, BYTES("\xce")},
      {OPCODE_CONTINUATION, BYTES("\xba\xe1")},
      {FINAL | OPCODE_PING, BYTES("\xff")},
      {OPCODE_CONTINUATION, BYTES("\xbd")},
      {FINAL | OPCODE_CONTINUATION, BYTES("\xb9")}},
     "ping(\xff) text(\xce\xba\xe1\xbd\xb9) "},
    {{{FINAL | OPCODE_TEXT, BYTES("ab\xff")}}, "1007"},
    {{{FINAL | OPCODE_TEXT, BYTES("ab\xe1\xbd")}}, "1007"},
    {{{FINAL | OPCODE_TEXT, BYTES("\xed\xa0\x80")}}, "1007"},
    {{{OPCODE_TEXT, BYTES("ab\xe1")}, {FINAL | OPCODE_CONTINUATION, BYTES("x")}}, "1007"},
    {{{OPCODE_TEXT, BYTES("ab\xe1")}, {FINAL | OPCODE_CONTINUATION, BYTES("")}}, "1007"},
    {{{OPCODE_BINARY, BYTES("ab\xe1")}, {FINAL | OPCODE_CONTINUATION, BYTES("\xff")}}, "binary(ab\xe1\xff) "},
    {{{FINAL | OPCODE_TEXT, BYTES("a\xc3\xa4")}, {FINAL | OPCODE_TEXT, BYTES("\xa4")}},
     "text(a\xc3\xa4) 1007"},
};

enum { SAMPLE_COUNT = sizeof SAMPLES / sizeof SAMPLES[0] };

static void sample_bytes(struct buffer *out, const struct sample *sample)
{
    for (size_t i = 0; i < 6 && sample->frames[i].payload; i++)
        sample_frame(out, sample->frames[i].first,
                     slice_of(sample->frames[i].payload, sample->frames[i].length));
}

static void streams_mean_what_the_rfc_says_wherever_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct buffer bytes = {0};
        sample_bytes(&bytes, &SAMPLES[i]);
        for (size_t cut = 0; cut <= bytes.length; cut++) {
            struct stream stream = stream_open();
            stream_feed(&stream, slice_of(bytes.data, cut));
            stream_feed(&stream, slice_of(bytes.data + cut, bytes.length - cut));
            stream_expect(&stream, SAMPLES[i].expected);
            stream_close(&stream);
        }
        struct stream stream = stream_open();
        for (size_t at = 0; at < bytes.length; at++)
            stream_feed(&stream, slice_of(bytes.data + at, 1));
        stream_expect(&stream, SAMPLES[i].expected);
        stream_close(&stream);
        buffer_free(&bytes);
    }
}

static void unmasked_frames_are_refused(void **state)
{
    (void)state;
    static const struct slice samples[] = {SLICE("\x81\x05Hello"), SLICE("\x89\x00"),
                                           SLICE("\x88\x02\x03\xe8")};
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct stream stream = stream_open();
        stream_feed(&stream, samples[i]);
        stream_expect(&stream, "1002");
        stream_close(&stream);
    }
}

/* RFC 6455 section 5.2: the shortest form of the length must be used, and its highest bit is 0. */
static void odd_lengths_are_refused(void **state)
{
    (void)state;
    static const struct slice samples[] = {
        SLICE("\x81\xfe\x00\x05\x01\x02\x03\x04"
              "abcde"),
        SLICE("\x82\xfe\x00\x7d\x01\x02\x03\x04"
              "abcde"),
        SLICE("\x82\xff\x00\x00\x00\x00\x00\x00\x00\x05\x01\x02\x03\x04"
              "abcde"),
        SLICE("\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff\x01\x02\x03\x04"
              "abcde"),
        SLICE("\x82\xff\x80\x00\x00\x00\x00\x01\x00\x00\x01\x02\x03\x04"
              "abcde"),
        SLICE("\x89\xfe\x00\x80\x01\x02\x03\x04"
              "abcde"),
        SLICE("\x88\xff\x00\x00\x00\x00\x00\x00\x00\x01"),
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct stream stream = stream_open();
        stream_feed(&stream, samples[i]);
        stream_expect(&stream, "1002");
        stream_close(&stream);
    }
}

static void every_close_code_is_judged(void **state)
{
    (void)state;
    for (unsigned code = 0; code <= UINT16_MAX; code++) {
        bool good = (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
                    (code >= 3000 && code <= 4999);
        char payload[2] = {(char)(code >> 8), (char)code}, expected[32];
        struct buffer bytes = {0};
        sample_frame(&bytes, FINAL | OPCODE_CLOSE, slice_of(payload, 2));
        struct stream stream = stream_open();
        stream_feed(&stream, buffer_slice(&bytes));
        snprintf(expected, sizeof expected, good ? "close(%u,) " : "1002", code);
        stream_expect(&stream, expected);
        stream_close(&stream);
        buffer_free(&bytes);
    }
}

static void binary_is_refused_where_only_text_is_spoken(void **state)
{
    (void)state;
    for (unsigned final = 0; final <= FINAL; final += FINAL) {
        struct buffer bytes = {0};
        sample_frame(&bytes, FINAL | OPCODE_TEXT, SLICE("a"));
        sample_frame(&bytes, final | OPCODE_BINARY, SLICE("b"));
        struct stream stream = stream_open();
        stream.text_only = true;
        stream_feed(&stream, buffer_slice(&bytes));
        stream_expect(&stream, "text(a) 1003");
        stream_close(&stream);
        buffer_free(&bytes);
    }
}

static unsigned next_random(unsigned *seed, unsigned below)
{
    *seed = *seed * 1103515245 + 12345;
    return (*seed >> 16) % below;
}

/* Appends one message in random fragments with random control frames between, and what is to be seen of
 * it. */
static void random_message(struct buffer *bytes, struct buffer *expected, unsigned *seed)
{
    char payload[LIMIT];
    size_t length = next_random(seed, 4) ? next_random(seed, 40) : next_random(seed, LIMIT);
    for (size_t i = 0; i < length; i++)
        payload[i] = (char)('a' + next_random(seed, 26));
    bool binary = next_random(seed, 2);
    unsigned opcode = binary ? OPCODE_BINARY : OPCODE_TEXT;
    size_t at = 0;
    bool final;
    do {
        size_t piece = next_random(seed, 2) ? length - at : next_random(seed, (unsigned)(length - at) + 1);
        final = at + piece == length && next_random(seed, 2);
        sample_frame(bytes, (final ? FINAL : 0) | opcode, slice_of(payload + at, piece));
        at += piece;
        opcode = OPCODE_CONTINUATION;
        if (!final && next_random(seed, 3) == 0) {
            bool ping = next_random(seed, 2);
            size_t part = length < 125 ? length : 125;
            sample_frame(bytes, FINAL | (ping ? OPCODE_PING : OPCODE_PONG), slice_of(payload, part));
            buffer_append_format(expected, "%s(%.*s) ", ping ? "ping" : "pong", (int)part, payload);
        }
    } while (!final);
    buffer_append_format(expected, "%s(%.*s) ", binary ? "binary" : "text", (int)length, payload);
}

static void random_streams_come_out_as_they_went_in(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        unsigned seed = round;
        struct buffer bytes = {0}, expected = {0};
        for (unsigned i = 0; i < 20; i++)
            random_message(&bytes, &expected, &seed);
        struct stream stream = stream_open();
        unsigned widest = 1 + next_random(&seed, 2) * 6000 + next_random(&seed, 50);
        for (size_t at = 0; at < bytes.length;) {
            size_t piece = 1 + next_random(&seed, widest);
            if (piece > bytes.length - at)
                piece = bytes.length - at;
            stream_feed(&stream, slice_of(bytes.data + at, piece));
            at += piece;
        }
        assert_int_equal(stream.code, 0);
        assert_true(slice_equal(buffer_slice(&stream.record.text), buffer_slice(&expected)));
        assert_null(stream.reader);
        stream_close(&stream);
        buffer_free(&bytes);
        buffer_free(&expected);
    }
}

static void frames_to_the_client_have_the_form_of_the_rfc(void **state)
{
    (void)state;
    struct buffer out = {0};
    frame_append(&out, OPCODE_TEXT, SLICE("Hello"));
    assert_true(slice_equal(buffer_slice(&out), SLICE("\x81\x05Hello")));
    buffer_clear(&out);
    char *text = filler(65536);
    frame_append(&out, OPCODE_BINARY, slice_of(text, 256));
    assert_memory_equal(out.data, "\x82\x7e\x01\x00", 4);
    assert_int_equal(out.length, 4 + 256);
    buffer_clear(&out);
    frame_append(&out, OPCODE_BINARY, slice_of(text, 65536));
    assert_memory_equal(out.data, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10);
    buffer_clear(&out);
    frame_control_append(&out, OPCODE_PONG, SLICE("Hello"));
    assert_true(slice_equal(buffer_slice(&out), SLICE("\x8a\x05Hello")));
    buffer_clear(&out);
    frame_close_append(&out, 1000, "bye");
    assert_true(slice_equal(buffer_slice(&out), SLICE("\x88\x05\x03\xe8"
                                                      "bye")));
    buffer_clear(&out);
    frame_close_append(&out, 1005, "not sent");
    assert_true(slice_equal(buffer_slice(&out), SLICE("\x88\x00")));
    buffer_clear(&out);
    /* A reason of 122 bytes and a character of two that would end at byte 124. */
    memset(text, 'x', 122);
    memcpy(text + 122, "\xc3\xa4", 3);
    frame_close_append(&out, 1000, text);
    assert_int_equal(out.length, 2 + 2 + 122);
    free(text);
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_mean_what_the_rfc_says_wherever_they_are_cut),
        cmocka_unit_test(unmasked_frames_are_refused),
        cmocka_unit_test(odd_lengths_are_refused),
        cmocka_unit_test(every_close_code_is_judged),
        cmocka_unit_test(binary_is_refused_where_only_text_is_spoken),
        cmocka_unit_test(random_streams_come_out_as_they_went_in),
        cmocka_unit_test(frames_to_the_client_have_the_form_of_the_rfc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
