#ifndef SHARED_IPC_FRAME_HEADER_H
#define SHARED_IPC_FRAME_HEADER_H

#include <stddef.h>
#include <stdint.h>

/* WebSocket opcodes, RFC 6455 section 5.2. */
enum {
    OPCODE_CONTINUATION = 0,
    OPCODE_TEXT = 1,
    OPCODE_BINARY = 2,
    OPCODE_CLOSE = 8,
    OPCODE_PING = 9,
    OPCODE_PONG = 10
};

enum { FRAME_HEADER_MOST = 10 };

/** Writes the header of a final, unmasked frame (RFC 6455 section 5.2); returns its length, 2, 4 or 10. */
static inline size_t frame_header_write(uint8_t out[FRAME_HEADER_MOST], unsigned opcode, uint64_t payload)
{
    out[0] = (uint8_t)(0x80 | opcode);
    if (payload < 126) {
        out[1] = (uint8_t)payload;
        return 2;
    }
    unsigned bytes = payload <= UINT16_MAX ? 2 : 8;
    out[1] = bytes == 2 ? 126 : 127;
    for (unsigned i = 0; i < bytes; i++)
        out[2 + i] = (uint8_t)(payload >> (8 * (bytes - 1 - i)));
    return 2 + bytes;
}

#endif
