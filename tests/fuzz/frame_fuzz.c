/*
 * What a client may send as frames. The same bytes are fed whole and in pieces, with a sink that says stop
 * now and then: both must see the same, and nothing may be held once a stream is at a boundary.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "shared/base/utf8.h"
#include "worker/net/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum { MESSAGE_MOST = 4096 };

struct seen {
    struct buffer text;
    unsigned stop_at; /* every so many; 0: never */
    unsigned count;
    bool closed;
};

static bool note(struct seen *seen, char what, struct slice payload)
{
    if (seen->closed)
        abort();
    buffer_append_byte(&seen->text, what);
    buffer_append_unsigned(&seen->text, payload.length);
    buffer_append_slice(&seen->text, payload);
    return seen->stop_at == 0 || ++seen->count % seen->stop_at != 0;
}

static bool on_message(void *owner, struct slice message, bool binary)
{
    struct utf8_state utf8 = {0};
    if (message.length > MESSAGE_MOST || (!binary && (!utf8_feed(&utf8, message) || utf8.missing)))
        abort();
    return note(owner, binary ? 'b' : 't', message);
}

static bool on_ping(void *owner, struct slice payload)
{
    return note(owner, 'p', payload);
}

static bool on_pong(void *owner, struct slice payload)
{
    return note(owner, 'q', payload);
}

static void on_close(void *owner, uint16_t code, struct slice reason)
{
    struct seen *seen = owner;
    (void)note(seen, 'c', reason);
    buffer_append_unsigned(&seen->text, code);
    seen->closed = true;
}

static const struct frame_sink SINK = {
    .message = on_message, .ping = on_ping, .pong = on_pong, .close = on_close};

/* Feeds @bytes in pieces of @piece and returns the code. */
static uint16_t feed(struct frame_pool *pool, struct slice bytes, size_t piece, struct seen *seen)
{
    struct frame_reader *reader = NULL;
    uint16_t code = 0;
    for (size_t at = 0; !code && at < bytes.length; at += piece) {
        size_t length = piece < bytes.length - at ? piece : bytes.length - at;
        code = frame_feed(pool, &reader, slice_of(bytes.data + at, length), false, 0, &SINK, seen);
    }
    for (unsigned i = 0; !code && i <= bytes.length; i++)
        code = frame_feed(pool, &reader, slice_of("", 0), false, 0, &SINK, seen);
    frame_drop(pool, &reader);
    if (frame_pool_lent(pool) != 0)
        abort();
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length < 2)
        return 0;
    struct frame_pool *pool = frame_pool_create(MESSAGE_MOST);
    struct seen whole = {0}, pieces = {.stop_at = bytes[1] % 4};
    struct slice stream = slice_of((const char *)bytes + 2, length - 2);
    uint16_t code = feed(pool, stream, SIZE_MAX / 2, &whole);
    uint16_t same = feed(pool, stream, 1 + bytes[0] % 64, &pieces);
    if (code != same || !slice_equal(buffer_slice(&whole.text), buffer_slice(&pieces.text)))
        abort();
    buffer_free(&whole.text);
    buffer_free(&pieces.text);
    frame_pool_free(&pool);
    return 0;
}
