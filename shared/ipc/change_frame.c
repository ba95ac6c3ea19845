#include "shared/ipc/change_frame.h"

#include "shared/ipc/frame_header.h"
#include "shared/json/json.h"

/* Room for the longest header is left before the payload; then the payload moves up against the real
 * one. */
static size_t frame_begin(struct buffer *out)
{
    size_t start = out->length;
    buffer_reserve(out, FRAME_HEADER_MOST);
    out->length += FRAME_HEADER_MOST;
    return start;
}

static void frame_end(struct buffer *out, size_t start)
{
    size_t payload = out->length - start - FRAME_HEADER_MOST;
    uint8_t header[FRAME_HEADER_MOST];
    size_t length = frame_header_write(header, OPCODE_TEXT, payload);
    memcpy(out->data + start, header, length);
    memmove(out->data + start + length, out->data + start + FRAME_HEADER_MOST, payload);
    buffer_shorten(out, start + length + payload);
}

static void message_head(struct buffer *out, const char *operation, struct slice collection)
{
    buffer_append_slice(out, SLICE("{\"operation\":\""));
    buffer_append_text(out, operation);
    buffer_append_slice(out, SLICE("\",\"collectionName\":"));
    json_append_string(out, collection);
    buffer_append_slice(out, SLICE(",\"data\":["));
}

static void message_tail(struct buffer *out, uint64_t seq)
{
    buffer_append_slice(out, SLICE("],\"seq\":"));
    buffer_append_unsigned(out, seq);
    buffer_append_byte(out, '}');
}

void change_frame_update(struct buffer *out, struct slice collection, struct slice document, uint64_t seq)
{
    size_t start = frame_begin(out);
    message_head(out, "update", collection);
    buffer_append_slice(out, document);
    message_tail(out, seq);
    frame_end(out, start);
}

void change_frame_remove(struct buffer *out, struct slice collection, struct slice id, uint64_t seq)
{
    size_t start = frame_begin(out);
    message_head(out, "remove", collection);
    json_append_string(out, id);
    message_tail(out, seq);
    frame_end(out, start);
}

void change_frame_settings(struct buffer *out, struct slice settings)
{
    size_t start = frame_begin(out);
    buffer_append_slice(out, SLICE("{\"operation\":\"set\",\"collectionName\":\"settings\",\"data\":"));
    buffer_append_slice(out, settings);
    buffer_append_byte(out, '}');
    frame_end(out, start);
}

void change_frame_sync(struct buffer *out, const char *operation, struct slice collection, struct slice list)
{
    size_t start = frame_begin(out);
    message_head(out, operation, collection);
    buffer_append_slice(out, list);
    buffer_append_slice(out, SLICE("],\"sync\":true}"));
    frame_end(out, start);
}

void change_frame_event(struct buffer *out, const char *operation, struct slice collection, struct slice list)
{
    size_t start = frame_begin(out);
    message_head(out, operation, collection);
    buffer_append_slice(out, list);
    buffer_append_slice(out, SLICE("]}"));
    frame_end(out, start);
}

void change_frame_text(struct buffer *out, struct slice message)
{
    size_t start = frame_begin(out);
    buffer_append_slice(out, message);
    frame_end(out, start);
}
