#ifndef TESTS_UNIT_NET_FRAME_SAMPLE_H
#define TESTS_UNIT_NET_FRAME_SAMPLE_H

#include "shared/base/buffer.h"
#include "worker/net/frame.h"

/* Frames as a client makes them, and a record of what frame_feed() made of them, as text that can be
 * compared. */

enum { FINAL = 0x80, RSV1 = 0x40, RSV2 = 0x20, RSV3 = 0x10 };

/** Appends a masked frame; @first is its first byte (FINAL, reserved bits, opcode). */
void sample_frame(struct buffer *out, unsigned first, struct slice payload);

/** Appends only a masked frame's header, which announces @length bytes. */
void sample_header(struct buffer *out, unsigned first, uint64_t length);

struct record {
    struct buffer text; /* "text(hello) ping() close(1000,bye) " and so on */
    bool stop;          /* the next message says stop */
};

extern const struct frame_sink RECORD_SINK;

#endif
