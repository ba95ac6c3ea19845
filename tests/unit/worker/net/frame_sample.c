#include "tests/unit/worker/net/frame_sample.h"

static const uint8_t MASK[4] = {0x37, 0xfa, 0x21, 0x3d};

void sample_header(struct buffer *out, unsigned first, uint64_t length)
{
    buffer_append_byte(out, (char)first);
    unsigned bytes = length < 126 ? 0 : length <= UINT16_MAX ? 2 : 8;
    buffer_append_byte(out, (char)(0x80 | (bytes == 0 ? length : bytes == 2 ? 126 : 127)));
    for (unsigned i = bytes; i > 0; i--)
        buffer_append_byte(out, (char)(length >> (8 * (i - 1))));
    buffer_append(out, MASK, sizeof MASK);
}

void sample_frame(struct buffer *out, unsigned first, struct slice payload)
{
    sample_header(out, first, payload.length);
    for (size_t i = 0; i < payload.length; i++)
        buffer_append_byte(out, (char)((uint8_t)payload.data[i] ^ MASK[i % 4]));
}

static void note(struct record *record, const char *what, struct slice payload)
{
    buffer_append_format(&record->text, "%s(", what);
    buffer_append_slice(&record->text, payload);
    buffer_append_text(&record->text, ") ");
}

static bool record_message(void *owner, struct slice message, bool binary)
{
    struct record *record = owner;
    note(record, binary ? "binary" : "text", message);
    return !record->stop;
}

static bool record_ping(void *owner, struct slice payload)
{
    struct record *record = owner;
    note(record, "ping", payload);
    return !record->stop;
}

static bool record_pong(void *owner, struct slice payload)
{
    struct record *record = owner;
    note(record, "pong", payload);
    return !record->stop;
}

static void record_close(void *owner, uint16_t code, struct slice reason)
{
    struct record *record = owner;
    buffer_append_format(&record->text, "close(%u,", (unsigned)code);
    buffer_append_slice(&record->text, reason);
    buffer_append_text(&record->text, ") ");
}

const struct frame_sink RECORD_SINK = {
    .message = record_message, .ping = record_ping, .pong = record_pong, .close = record_close};
