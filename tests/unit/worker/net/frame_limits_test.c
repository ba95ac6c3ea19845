/* Frames: how long a message may be, and what is held of it. */

#include "tests/unit/worker/net/frame_stream.h"

/* The limit is for a message, not for a frame; what a header announces is enough to refuse it. */
static void messages_are_limited(void **state)
{
    (void)state;
    char *text = filler(LIMIT);
    struct stream stream = stream_open();
    struct buffer bytes = {0};
    sample_frame(&bytes, FINAL | OPCODE_TEXT, slice_of(text, LIMIT));
    stream_feed(&stream, buffer_slice(&bytes));
    assert_int_equal(stream.record.text.length, strlen("text() ") + LIMIT);
    assert_int_equal(stream.code, 0);

    buffer_clear(&bytes);
    sample_frame(&bytes, OPCODE_TEXT, slice_of(text, LIMIT - 1));
    sample_frame(&bytes, OPCODE_CONTINUATION, slice_of(text, 1));
    stream_feed(&stream, buffer_slice(&bytes));
    assert_int_equal(stream.code, 0);
    buffer_clear(&bytes);
    sample_frame(&bytes, FINAL | OPCODE_CONTINUATION, slice_of(text, 1));
    stream_feed(&stream, buffer_slice(&bytes));
    assert_int_equal(stream.code, 1009);
    stream_close(&stream);

    static const uint64_t announced[] = {LIMIT + 1, 65536, UINT64_C(1) << 30, INT64_MAX};
    for (size_t i = 0; i < sizeof announced / sizeof announced[0]; i++) {
        stream = stream_open();
        buffer_clear(&bytes);
        sample_header(&bytes, FINAL | OPCODE_TEXT, announced[i]);
        buffer_append_byte(&bytes, 'x');
        stream_feed(&stream, buffer_slice(&bytes));
        stream_expect(&stream, "1009");
        stream_close(&stream);
    }
    buffer_free(&bytes);
    free(text);
}

static void a_connection_may_have_its_own_limit(void **state)
{
    (void)state;
    char *text = filler(LIMIT + 1);
    struct stream stream = stream_open();
    struct buffer bytes = {0};
    sample_frame(&bytes, FINAL | OPCODE_TEXT, slice_of(text, LIMIT + 1));
    uint16_t code = frame_feed(stream.pool, &stream.reader, buffer_slice(&bytes), true, LIMIT + 1,
                               &RECORD_SINK, &stream.record);
    assert_int_equal(code, 0);
    assert_int_equal(stream.record.text.length, strlen("text() ") + LIMIT + 1);
    stream_close(&stream);
    buffer_free(&bytes);
    free(text);
}

static void between_messages_nothing_is_held(void **state)
{
    (void)state;
    struct buffer bytes = {0};
    sample_frame(&bytes, FINAL | OPCODE_TEXT, SLICE("Hello"));
    sample_frame(&bytes, OPCODE_TEXT, SLICE("Hel"));
    size_t first = 6 + 5, second = first + 6 + 3;
    sample_frame(&bytes, FINAL | OPCODE_CONTINUATION, SLICE("lo"));
    struct stream stream = stream_open();
    for (size_t at = 0; at < bytes.length; at++) {
        stream_feed(&stream, slice_of(bytes.data + at, 1));
        bool between = at + 1 == first || at + 1 == bytes.length;
        assert_int_equal(frame_pool_lent(stream.pool), between ? 0 : 1);
        assert_int_equal(stream.reader == NULL, between);
    }
    assert_true(second < bytes.length);
    stream_expect(&stream, "text(Hello) text(Hello) ");
    stream_close(&stream);
    buffer_free(&bytes);
}

/* A sink that says stop sees the rest later, in order, and nothing twice. */
static void a_stopped_stream_goes_on(void **state)
{
    (void)state;
    struct buffer bytes = {0};
    sample_frame(&bytes, FINAL | OPCODE_TEXT, SLICE("one"));
    sample_frame(&bytes, FINAL | OPCODE_PING, SLICE("two"));
    sample_frame(&bytes, OPCODE_TEXT, SLICE("thr"));
    for (int i = 0; i < 3; i++)
        sample_frame(&bytes, OPCODE_CONTINUATION, SLICE(""));
    sample_frame(&bytes, FINAL | OPCODE_CONTINUATION, SLICE("ee"));
    struct stream stream = stream_open();
    stream.record.stop = true;
    stream_feed(&stream, buffer_slice(&bytes));
    assert_true(slice_equal(buffer_slice(&stream.record.text), SLICE("text(one) ")));
    stream_feed(&stream, slice_of("", 0));
    assert_true(slice_equal(buffer_slice(&stream.record.text), SLICE("text(one) ping(two) ")));
    struct buffer more = {0};
    sample_frame(&more, FINAL | OPCODE_TEXT, SLICE("four"));
    stream_feed(&stream, buffer_slice(&more));
    assert_non_null(stream.reader);
    stream.record.stop = false;
    stream_feed(&stream, slice_of("", 0));
    stream_expect(&stream, "text(one) ping(two) text(three) text(four) ");
    assert_null(stream.reader);
    stream_close(&stream);
    buffer_free(&bytes);
    buffer_free(&more);
}

/* Says that it does not know, for messages of more than LIMIT, until it is told. */
static enum frame_verdict verdict;

static enum frame_verdict judge(void *owner, uint64_t bytes)
{
    (void)owner;
    return bytes <= 8 ? FRAME_FITS : verdict;
}

/* A long message in one frame or two, cut anywhere, and one after it, which stays behind. */
static void a_length_is_judged_later(void **state)
{
    (void)state;
    struct frame_sink sink = RECORD_SINK;
    sink.judge = judge;
    for (unsigned frames = 1; frames <= 2; frames++) {
        struct buffer bytes = {0};
        if (frames == 2)
            sample_frame(&bytes, OPCODE_TEXT, SLICE("01234"));
        sample_frame(&bytes, FINAL | (frames == 2 ? OPCODE_CONTINUATION : OPCODE_TEXT), SLICE("56789abcdef"));
        sample_frame(&bytes, FINAL | OPCODE_TEXT, SLICE("z"));
        for (size_t cut = 0; cut <= bytes.length; cut++)
            for (int good = 0; good < 2; good++) {
                struct stream stream = stream_open();
                const struct slice parts[] = {slice_of(bytes.data, cut),
                                              slice_of(bytes.data + cut, bytes.length - cut), SLICE("")};
                verdict = FRAME_WAITS;
                for (size_t i = 0; i < 3 && !stream.code; i++)
                    stream.code =
                        frame_feed(stream.pool, &stream.reader, parts[i], true, 0, &sink, &stream.record);
                assert_int_equal(stream.code, 0);
                stream_expect(&stream, "");
                verdict = good ? FRAME_FITS : FRAME_IS_TOO_LONG;
                stream.code =
                    frame_feed(stream.pool, &stream.reader, SLICE(""), true, 0, &sink, &stream.record);
                assert_int_equal(stream.code, good ? 0 : 1009);
                if (good)
                    stream_expect(&stream, frames == 2 ? "text(0123456789abcdef) text(z) "
                                                       : "text(56789abcdef) text(z) ");
                stream_close(&stream);
            }
        buffer_free(&bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_limited),
        cmocka_unit_test(a_connection_may_have_its_own_limit),
        cmocka_unit_test(between_messages_nothing_is_held),
        cmocka_unit_test(a_stopped_stream_goes_on),
        cmocka_unit_test(a_length_is_judged_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
