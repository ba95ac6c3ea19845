#include "worker/net/frame_write.h"

#include <string.h>

#include "shared/base/close_code.h"
#include "shared/ipc/frame_header.h"

/* Frames to the client: never masked, never fragmented (RFC 6455 section 5.1). */

enum { CONTROL_PAYLOAD_MOST = 125 };

void frame_append(struct buffer *out, unsigned opcode, struct slice payload)
{
    uint8_t header[FRAME_HEADER_MOST];
    size_t length = frame_header_write(header, opcode, payload.length);
    buffer_reserve(out, length + payload.length);
    buffer_append(out, header, length);
    buffer_append_slice(out, payload);
}

void frame_control_append(struct buffer *out, unsigned opcode, struct slice payload)
{
    if (payload.length > CONTROL_PAYLOAD_MOST)
        payload.length = CONTROL_PAYLOAD_MOST;
    frame_append(out, opcode, payload);
}

/* The longest beginning of @reason that fits and does not end within a character. */
static size_t reason_length(const char *reason)
{
    size_t length = strlen(reason), most = CONTROL_PAYLOAD_MOST - 2;
    if (length <= most)
        return length;
    while (most > 0 && ((unsigned char)reason[most] & 0xC0) == 0x80)
        most--;
    return most;
}

void frame_close_append(struct buffer *out, uint16_t code, const char *reason)
{
    char payload[CONTROL_PAYLOAD_MOST];
    size_t length = 0;
    /* 1005 says "there was no code" and never goes on the wire: RFC 6455 section 7.4.1. */
    if (code != CLOSE_NONE && code != CLOSE_NO_STATUS) {
        payload[0] = (char)(code >> 8);
        payload[1] = (char)code;
        size_t text = reason ? reason_length(reason) : 0;
        if (text)
            memcpy(payload + 2, reason, text);
        length = 2 + text;
    }
    frame_append(out, OPCODE_CLOSE, slice_of(payload, length));
}
