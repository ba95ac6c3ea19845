#ifndef TESTS_UNIT_NET_FRAME_STREAM_H
#define TESTS_UNIT_NET_FRAME_STREAM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include "shared/ipc/frame_header.h"
#include "tests/unit/worker/net/frame_sample.h"

#include <cmocka.h>

/* The frames of one client, fed in any pieces: what the reader made of them, and the code that it ended with. */

enum { LIMIT = 1000 };

struct stream {
    struct frame_pool *pool;
    struct frame_reader *reader;
    struct record record;
    bool text_only;
    uint16_t code;
};

static inline struct stream stream_open(void)
{
    return (struct stream){.pool = frame_pool_create(LIMIT)};
}

static inline void stream_feed(struct stream *stream, struct slice bytes)
{
    if (!stream->code)
        stream->code = frame_feed(stream->pool, &stream->reader, bytes, stream->text_only, 0, &RECORD_SINK,
                                  &stream->record);
}

static inline void stream_close(struct stream *stream)
{
    frame_drop(stream->pool, &stream->reader);
    assert_int_equal(frame_pool_lent(stream->pool), 0);
    frame_pool_free(&stream->pool);
    buffer_free(&stream->record.text);
}

static inline void stream_expect(struct stream *stream, const char *expected)
{
    struct buffer *text = &stream->record.text;
    if (stream->code)
        buffer_append_unsigned(text, stream->code);
    if (!slice_equal(buffer_slice(text), slice_text(expected)))
        fail_msg("expected: %s\nfound: %.*s", expected, (int)text->length, text->data);
}

static inline char *filler(size_t length)
{
    char *text = malloc(length + 1);
    assert_non_null(text);
    memset(text, 'x', length);
    return text;
}

#endif
