#include "worker/net/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <wslay/wslay.h>

#include "shared/base/close_code.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/base/utf8.h"
#include "shared/ipc/frame_header.h"

enum {
    READERS_KEPT = 64,    /* not in use, for the next connections */
    MESSAGE_KEPT = 65536, /* bytes a kept reader may hold for its next message */
    HEADER_LEAST = 2 + 4, /* of a masked frame with the shortest length */
    LENGTH_16 = 126,      /* stands where the length would: two bytes with the length follow */
    CONTROL_PAYLOAD_MOST = 125,
};

struct frame_reader {
    struct frame_reader *next;       /* in the pool */
    wslay_frame_context_ptr context; /* takes its bytes from ->input */
    struct slice input;              /* given and not yet taken by the context */
    uint8_t *taken, *taken_end;      /* where the context holds what it took, and may hold what it gave out */
    uint64_t held;                   /* bytes the context took and has not yet given out */
    struct buffer rest;              /* what was given after the sink said stop */

    bool in_frame;       /* a frame's header was seen, its payload is incomplete */
    bool final;          /* of this frame */
    uint8_t opcode;      /* of this frame */
    uint64_t frame_left; /* payload bytes of it that are missing */

    bool closed;     /* the peer's close frame was seen: what follows means nothing */
    bool in_message; /* a data message was begun */
    bool text;       /* it is one of text */
    bool unjudged;   /* whether it may be as long as its frames say is not known yet */
    struct utf8_state utf8;
    struct buffer message; /* what is there of it, unless it came whole */

    uint8_t control_length;
    char control[CONTROL_PAYLOAD_MOST];
};

struct frame_pool {
    uint64_t message_most;
    struct frame_reader *free;
    size_t kept, lent;
    struct buffer payload; /* of a frame that is taken without a context */
};

/* One call of frame_feed(). */
struct feeding {
    struct frame_reader *reader;
    struct buffer *payload; /* the pool's */
    uint64_t message_most;
    bool text_only;
    const struct frame_sink *sink;
    void *owner;
    bool stopped;
};

/*
 * The context has one block of memory, out of which it gives pieces. When it wants more it has moved what is
 * left to the front of that, so its first request says where it is; from @out on there is only what was left
 * behind by earlier moves.
 */
static ssize_t take_input(uint8_t *out, size_t most, int flags, void *argument)
{
    (void)flags;
    struct frame_reader *reader = argument;
    size_t length = reader->input.length < most ? reader->input.length : most;
    if (!reader->taken)
        reader->taken = out;
    if (length)
        memcpy(out, reader->input.data, length);
    if (reader->taken_end > out + length)
        memory_wipe(out + length, (size_t)(reader->taken_end - out) - length);
    reader->taken_end = out + length;
    if (length == 0)
        return -1; /* wslay then says WSLAY_ERR_WANT_READ */
    reader->input.data += length;
    reader->input.length -= length;
    reader->held += length;
    return (ssize_t)length;
}

static struct frame_reader *reader_create(void)
{
    struct frame_reader *reader = memory_zeroed(1, sizeof *reader);
    const struct wslay_frame_callbacks callbacks = {.recv_callback = take_input};
    if (wslay_frame_context_init(&reader->context, &callbacks, reader) != 0)
        log_fatal("out of memory: no frame context");
    return reader;
}

static void reader_free(struct frame_reader *reader)
{
    if (reader->taken)
        memory_wipe(reader->taken, (size_t)(reader->taken_end - reader->taken));
    wslay_frame_context_free(reader->context);
    buffer_free(&reader->message);
    buffer_free(&reader->rest);
    memory_release(reader, sizeof *reader);
}

/* Between messages, with nothing left in the context: all that is known of the connection is that it is
 * open. */
static bool reader_is_idle(const struct frame_reader *reader)
{
    return !reader->closed && !reader->held && !reader->in_frame && !reader->in_message &&
           !reader->rest.length;
}

struct frame_pool *frame_pool_create(uint64_t message_most)
{
    struct frame_pool *pool = memory_zeroed(1, sizeof *pool);
    pool->message_most = message_most;
    return pool;
}

void frame_pool_free(struct frame_pool **pool)
{
    if (!*pool)
        return;
    assert((*pool)->lent == 0);
    for (struct frame_reader *reader = (*pool)->free, *next; reader; reader = next) {
        next = reader->next;
        reader_free(reader);
    }
    buffer_free(&(*pool)->payload);
    free(*pool);
    *pool = NULL;
}

size_t frame_pool_lent(const struct frame_pool *pool)
{
    return pool->lent;
}

size_t frame_reader_bytes(const struct frame_reader *reader)
{
    return reader ? reader->message.length + reader->rest.length : 0;
}

static struct frame_reader *pool_lend(struct frame_pool *pool)
{
    struct frame_reader *reader = pool->free;
    if (reader) {
        pool->free = reader->next;
        pool->kept--;
    } else {
        reader = reader_create();
    }
    pool->lent++;
    return reader;
}

void frame_drop(struct frame_pool *pool, struct frame_reader **slot)
{
    struct frame_reader *reader = *slot;
    if (!reader)
        return;
    *slot = NULL;
    pool->lent--;
    /* wslay has no way to forget half a frame. */
    if (!reader_is_idle(reader) || pool->kept >= READERS_KEPT) {
        reader_free(reader);
        return;
    }
    if (reader->message.capacity > MESSAGE_KEPT)
        buffer_free(&reader->message);
    buffer_free(&reader->rest);
    reader->next = pool->free;
    pool->free = reader;
    pool->kept++;
}

/* RFC 6455 section 7.4 and the registry it names: codes that may stand in a close frame. */
static bool close_code_is_good(uint16_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static uint16_t take_close(struct feeding *feeding, struct slice payload)
{
    uint16_t code = CLOSE_NO_STATUS;
    struct slice reason = SLICE("");
    if (payload.length == 1)
        return CLOSE_PROTOCOL_ERROR;
    if (payload.length >= 2) {
        code = (uint16_t)((unsigned)(uint8_t)payload.data[0] << 8 | (uint8_t)payload.data[1]);
        reason = slice_of(payload.data + 2, payload.length - 2);
        if (!close_code_is_good(code))
            return CLOSE_PROTOCOL_ERROR;
        struct utf8_state utf8 = {0};
        if (!utf8_feed(&utf8, reason) || utf8.missing)
            return CLOSE_BAD_DATA;
    }
    feeding->reader->closed = true;
    feeding->stopped = true;
    feeding->sink->close(feeding->owner, code, reason);
    return CLOSE_NONE;
}

static uint16_t take_control(struct feeding *feeding, struct slice payload)
{
    switch (feeding->reader->opcode) {
    case OPCODE_PING:
        feeding->stopped = !feeding->sink->ping(feeding->owner, payload);
        return CLOSE_NONE;
    case OPCODE_PONG:
        feeding->stopped = !feeding->sink->pong(feeding->owner, payload);
        return CLOSE_NONE;
    default:
        return take_close(feeding, payload);
    }
}

/* Of the message, with all that is announced and missing of its present frame. */
static uint16_t judge_length(struct feeding *feeding)
{
    struct frame_reader *reader = feeding->reader;
    const uint64_t before = reader->message.length;
    enum frame_verdict verdict = FRAME_FITS;
    if (feeding->sink->judge && reader->frame_left <= UINT64_MAX - before)
        verdict = feeding->sink->judge(feeding->owner, before + reader->frame_left);
    else if (reader->frame_left > feeding->message_most - before)
        verdict = FRAME_IS_TOO_LONG;
    reader->unjudged = verdict == FRAME_WAITS;
    return verdict == FRAME_IS_TOO_LONG ? CLOSE_TOO_BIG : CLOSE_NONE;
}

/* RFC 6455 sections 5.2 and 5.4. wslay itself refuses long or fragmented control frames and overlong
 * lengths. */
static uint16_t begin_frame(struct feeding *feeding, const struct wslay_frame_iocb *frame)
{
    struct frame_reader *reader = feeding->reader;
    if (frame->rsv || !frame->mask)
        return CLOSE_PROTOCOL_ERROR;
    reader->final = frame->fin;
    reader->opcode = frame->opcode;
    reader->frame_left = frame->payload_length;
    switch (frame->opcode) {
    case OPCODE_PING:
    case OPCODE_PONG:
    case OPCODE_CLOSE:
        reader->control_length = 0;
        return CLOSE_NONE;
    case OPCODE_CONTINUATION:
        if (!reader->in_message)
            return CLOSE_PROTOCOL_ERROR;
        break;
    case OPCODE_TEXT:
    case OPCODE_BINARY:
        if (reader->in_message)
            return CLOSE_PROTOCOL_ERROR;
        reader->in_message = true;
        reader->text = frame->opcode == OPCODE_TEXT;
        reader->utf8 = (struct utf8_state){0};
        buffer_clear(&reader->message);
        if (!reader->text && feeding->text_only)
            return CLOSE_UNSUPPORTED;
        break;
    default:
        return CLOSE_PROTOCOL_ERROR;
    }
    return judge_length(feeding);
}

static uint16_t control_piece(struct feeding *feeding, struct slice piece)
{
    struct frame_reader *reader = feeding->reader;
    if (!reader->in_frame && reader->control_length == 0)
        return take_control(feeding, piece);
    memcpy(reader->control + reader->control_length, piece.data, piece.length);
    reader->control_length = (uint8_t)(reader->control_length + piece.length);
    if (reader->in_frame)
        return CLOSE_NONE;
    uint16_t code = take_control(feeding, slice_of(reader->control, reader->control_length));
    memory_wipe(reader->control, reader->control_length);
    return code;
}

static uint16_t whole_message(struct feeding *feeding, struct slice message)
{
    struct frame_reader *reader = feeding->reader;
    if (reader->text && reader->utf8.missing)
        return CLOSE_BAD_DATA;
    reader->in_message = false;
    feeding->stopped = !feeding->sink->message(feeding->owner, message, !reader->text);
    buffer_clear(&reader->message);
    return CLOSE_NONE;
}

static uint16_t data_piece(struct feeding *feeding, struct slice piece)
{
    struct frame_reader *reader = feeding->reader;
    if (reader->text && !utf8_feed(&reader->utf8, piece))
        return CLOSE_BAD_DATA;
    bool whole = !reader->in_frame && reader->final;
    if (whole && !reader->unjudged && reader->message.length == 0)
        return whole_message(feeding, piece);
    buffer_append_slice(&reader->message, piece);
    feeding->stopped = reader->unjudged;
    return whole && !reader->unjudged ? whole_message(feeding, buffer_slice(&reader->message)) : CLOSE_NONE;
}

/* What was not known before is asked again, for the message as far as it is there. */
static uint16_t judge_again(struct feeding *feeding)
{
    struct frame_reader *reader = feeding->reader;
    if (!reader->unjudged)
        return CLOSE_NONE;
    uint16_t code = judge_length(feeding);
    feeding->stopped = reader->unjudged;
    bool whole = !reader->in_frame && reader->final;
    return code || reader->unjudged || !whole ? code : whole_message(feeding, buffer_slice(&reader->message));
}

/* A frame, or a piece of one, that the context gave out. */
static uint16_t take_piece(struct feeding *feeding, const struct wslay_frame_iocb *frame)
{
    struct frame_reader *reader = feeding->reader;
    if (!reader->in_frame) {
        uint64_t length = frame->payload_length;
        reader->held -= 2u + (length < 126 ? 0u : length <= UINT16_MAX ? 2u : 8u) + (frame->mask ? 4u : 0u);
        uint16_t code = begin_frame(feeding, frame);
        if (code)
            return code;
    }
    reader->held -= frame->data_length;
    reader->frame_left -= frame->data_length;
    reader->in_frame = reader->frame_left > 0;
    struct slice piece = slice_of((const char *)frame->data, frame->data_length);
    return wslay_is_ctrl_frame(reader->opcode) ? control_piece(feeding, piece) : data_piece(feeding, piece);
}

/* RFC 6455 section 5.3. */
static void unmask_bytes(char *out, const char *from, size_t length, const char mask[4])
{
    uint32_t four;
    memcpy(&four, mask, sizeof four);
    const uint64_t eight = (uint64_t)four << 32 | four;
    size_t at = 0;
    for (; length - at >= sizeof eight; at += sizeof eight) {
        uint64_t word;
        memcpy(&word, from + at, sizeof word);
        word ^= eight;
        memcpy(out + at, &word, sizeof word);
    }
    for (; at < length; at++)
        out[at] = (char)(from[at] ^ mask[at % 4]);
}

/*
 * Nearly every message is one frame that came whole, and not long: such a one is taken here, as the context
 * would give it out, since the context takes more time over its bytes than all the rest of the way of a
 * message does. False: nothing was taken, it is for the context (so is all that might be wrong).
 */
static bool take_whole(struct feeding *feeding, struct wslay_frame_iocb *frame)
{
    struct frame_reader *reader = feeding->reader;
    const struct slice input = reader->input;
    const uint8_t *bytes = (const uint8_t *)input.data;
    if (reader->held || reader->in_frame || input.length < HEADER_LEAST)
        return false;
    uint8_t opcode = bytes[0] & 0x0f;
    size_t length = bytes[1] & 0x7f, header = HEADER_LEAST;
    if (bytes[0] != (0x80 | opcode) || opcode < OPCODE_TEXT || opcode > OPCODE_BINARY || !(bytes[1] & 0x80))
        return false;
    if (length == LENGTH_16) {
        length = (size_t)bytes[2] << 8 | bytes[3];
        header += 2;
        if (length < LENGTH_16)
            return false;
    } else if (length > LENGTH_16) {
        return false;
    }
    if (input.length < header || input.length - header < length)
        return false;
    char *payload = buffer_reserve(feeding->payload, length + 1); /* some, also for nothing */
    unmask_bytes(payload, input.data + header, length, input.data + header - 4);
    reader->input = slice_of(input.data + header + length, input.length - header - length);
    reader->held = header + length;
    *frame = (struct wslay_frame_iocb){.fin = 1,
                                       .opcode = opcode,
                                       .payload_length = length,
                                       .mask = 1,
                                       .data = (const uint8_t *)payload,
                                       .data_length = length};
    return true;
}

static uint16_t take_all(struct feeding *feeding)
{
    while (!feeding->stopped) {
        struct wslay_frame_iocb frame = {0};
        if (!take_whole(feeding, &frame)) {
            ssize_t result = wslay_frame_recv(feeding->reader->context, &frame);
            if (result == WSLAY_ERR_WANT_READ)
                return CLOSE_NONE;
            if (result < 0)
                return CLOSE_PROTOCOL_ERROR;
        }
        uint16_t code = take_piece(feeding, &frame);
        /* The context's memory or the pool's: only the pointer says that nobody changes it. */
        memory_wipe((void *)(uintptr_t)frame.data, frame.data_length);
        if (code)
            return code;
    }
    return CLOSE_NONE;
}

uint16_t frame_feed(struct frame_pool *pool, struct frame_reader **slot, struct slice bytes, bool text_only,
                    uint64_t message_most, const struct frame_sink *sink, void *owner)
{
    if (!*slot && bytes.length == 0)
        return CLOSE_NONE;
    if (!*slot)
        *slot = pool_lend(pool);
    struct frame_reader *reader = *slot;
    if (reader->closed)
        return CLOSE_NONE;
    struct feeding feeding = {.reader = reader,
                              .payload = &pool->payload,
                              .message_most = message_most ? message_most : pool->message_most,
                              .text_only = text_only,
                              .sink = sink,
                              .owner = owner};
    bool from_rest = reader->rest.length > 0;
    if (from_rest)
        buffer_append_slice(&reader->rest, bytes);
    reader->input = from_rest ? buffer_slice(&reader->rest) : bytes;

    uint16_t code = judge_again(&feeding);
    if (code == CLOSE_NONE)
        code = take_all(&feeding);
    if (from_rest)
        buffer_consume(&reader->rest, reader->rest.length - reader->input.length);
    else if (code == CLOSE_NONE)
        buffer_append_slice(&reader->rest, reader->input);
    reader->input = slice_of(NULL, 0);
    if (code == CLOSE_NONE && reader_is_idle(reader))
        frame_drop(pool, slot);
    return code;
}
