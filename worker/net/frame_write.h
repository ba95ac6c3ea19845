#ifndef WORKER_NET_FRAME_WRITE_H
#define WORKER_NET_FRAME_WRITE_H

#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/base/slice.h"

/** Appends a control frame (ping, pong, close). @payload: at most 125 bytes. */
void frame_control_append(struct buffer *out, unsigned opcode, struct slice payload);

/** Appends a close frame: code and reason (cut to fit, at a character). */
void frame_close_append(struct buffer *out, uint16_t code, const char *reason);

/** Appends a text or binary frame with header. */
void frame_append(struct buffer *out, unsigned opcode, struct slice payload);

#endif
