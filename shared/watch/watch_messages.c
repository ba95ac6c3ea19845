#include "shared/watch/watch_messages.h"

#include <assert.h>
#include <endian.h>

#include "shared/watch/file_name.h"

enum { LENGTH_BYTES = 2, HEAD_BYTES = 1 + 2, SERIAL_BYTES = 4, FACTS_BYTES = 8 + 8 };

/* What stands between head and name. */
static size_t fixed_bytes(enum watch_message_type type)
{
    switch (type) {
    case WATCH_LISTEN:
    case WATCH_BEGIN:
        return SERIAL_BYTES;
    case WATCH_FILE:
        return FACTS_BYTES;
    case WATCH_UNLISTEN:
    case WATCH_GONE:
    case WATCH_WHOLE:
        break;
    }
    return 0;
}

static bool has_name(enum watch_message_type type)
{
    return type == WATCH_FILE || type == WATCH_GONE;
}

static void append_16(struct buffer *out, unsigned value)
{
    uint16_t bytes = htole16((uint16_t)value);
    buffer_append(out, &bytes, sizeof bytes);
}

static void append_64(struct buffer *out, uint64_t value)
{
    value = htole64(value);
    buffer_append(out, &value, sizeof value);
}

void watch_message_append(struct buffer *out, const struct watch_message *message)
{
    size_t name = has_name(message->type) ? message->name.length : 0;
    assert(name <= FILE_NAME_MOST && message->directory <= UINT16_MAX);
    append_16(out, (unsigned)(HEAD_BYTES + fixed_bytes(message->type) + name));
    buffer_append_byte(out, (char)message->type);
    append_16(out, message->directory);
    if (message->type == WATCH_FILE) {
        append_64(out, message->size);
        append_64(out, (uint64_t)message->modified_ms);
    } else if (fixed_bytes(message->type) == SERIAL_BYTES) {
        uint32_t serial = htole32(message->serial);
        buffer_append(out, &serial, sizeof serial);
    }
    buffer_append(out, message->name.data, name);
}

static unsigned get_16(const char *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return le16toh(value);
}

static uint64_t get_64(const char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return le64toh(value);
}

/* @body: without length and head. */
static bool read_body(struct slice body, struct watch_message *message)
{
    size_t fixed = fixed_bytes(message->type);
    if (body.length < fixed)
        return false;
    message->name = slice_of(body.data + fixed, body.length - fixed);
    if (message->type == WATCH_FILE) {
        message->size = get_64(body.data);
        message->modified_ms = (int64_t)get_64(body.data + 8);
    } else if (fixed == SERIAL_BYTES) {
        uint32_t serial;
        memcpy(&serial, body.data, sizeof serial);
        message->serial = le32toh(serial);
    }
    return has_name(message->type) ? file_name_is_valid(message->name) : message->name.length == 0;
}

int watch_message_take(struct slice *bytes, struct watch_message *message)
{
    if (bytes->length < LENGTH_BYTES)
        return 0;
    size_t length = get_16(bytes->data);
    if (length < HEAD_BYTES || length > WATCH_MESSAGE_MOST - LENGTH_BYTES)
        return -1;
    if (bytes->length < LENGTH_BYTES + length)
        return 0;
    const char *at = bytes->data + LENGTH_BYTES;
    uint8_t type = (uint8_t)*at;
    if (type < WATCH_LISTEN || type > WATCH_WHOLE)
        return -1;
    *message = (struct watch_message){.type = (enum watch_message_type)type, .directory = get_16(at + 1)};
    if (!read_body(slice_of(at + HEAD_BYTES, length - HEAD_BYTES), message))
        return -1;
    *bytes = slice_of(at + length, bytes->length - LENGTH_BYTES - length);
    return 1;
}
