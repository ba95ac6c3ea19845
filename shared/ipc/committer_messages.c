#include "shared/ipc/committer_messages.h"

#include <assert.h>

#include "shared/ring/ring.h"

enum { LENGTH_BYTES = 4, HELLO_BYTES = 4 + 8, SET_BYTES = 8, RESULT_BYTES = 8 + 4 + 8 + 4 };

static inline void put(struct buffer *out, uint64_t value, unsigned bytes)
{
    char *at = buffer_reserve(out, bytes);
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (char)(uint8_t)(value >> (8 * i));
    out->length += bytes;
}

/* Takes an integer off the front; the caller has checked that it is there. */
static inline uint64_t take(struct slice *bytes, unsigned count)
{
    assert(bytes->length >= count);
    uint64_t value = 0;
    for (unsigned i = 0; i < count; i++)
        value |= (uint64_t)(uint8_t)bytes->data[i] << (8 * i);
    *bytes = slice_of(bytes->data + count, bytes->length - count);
    return value;
}

static void begin(struct buffer *out, enum committer_message_type type, size_t body)
{
    assert(body < COMMITTER_MESSAGE_MOST);
    buffer_reserve(out, LENGTH_BYTES + 1 + body);
    put(out, body + 1, LENGTH_BYTES);
    put(out, type, 1);
}

void committer_hello_append(struct buffer *out, uint32_t slot, uint64_t incarnation)
{
    begin(out, COMMITTER_HELLO, HELLO_BYTES);
    put(out, slot, 4);
    put(out, incarnation, 8);
}

void committer_set_append(struct buffer *out, uint64_t id, struct slice set)
{
    begin(out, COMMITTER_SET, SET_BYTES + set.length);
    put(out, id, 8);
    buffer_append_slice(out, set);
}

void committer_result_append(struct buffer *out, const struct committer_result *result)
{
    begin(out, COMMITTER_RESULT, RESULT_BYTES + result->text.length);
    put(out, result->id, 8);
    put(out, result->code, 4);
    put(out, result->seq, 8);
    put(out, result->failed, 4);
    buffer_append_slice(out, result->text);
}

void committer_welcome_append(struct buffer *out)
{
    begin(out, COMMITTER_WELCOME, 0);
}

int committer_message_take(struct slice *bytes, enum committer_message_type *type, struct slice *body)
{
    if (bytes->length < LENGTH_BYTES)
        return 0;
    struct slice rest = *bytes;
    size_t length = take(&rest, LENGTH_BYTES);
    if (length < 1 || length > COMMITTER_MESSAGE_MOST)
        return -1;
    if (rest.length < 1)
        return 0;
    uint8_t kind = (uint8_t)rest.data[0];
    if (kind < COMMITTER_HELLO || kind > COMMITTER_WELCOME)
        return -1;
    if (rest.length < length)
        return 0;
    *type = (enum committer_message_type)kind;
    *body = slice_of(rest.data + 1, length - 1);
    *bytes = slice_of(rest.data + length, rest.length - length);
    return 1;
}

bool committer_hello_read(struct slice body, uint32_t *slot, uint64_t *incarnation)
{
    if (body.length != HELLO_BYTES)
        return false;
    *slot = (uint32_t)take(&body, 4);
    *incarnation = take(&body, 8);
    return *slot < RING_WORKERS;
}

bool committer_set_read(struct slice body, uint64_t *id, struct slice *set)
{
    if (body.length < SET_BYTES)
        return false;
    *id = take(&body, 8);
    *set = body;
    return true;
}

bool committer_result_read(struct slice body, struct committer_result *result)
{
    if (body.length < RESULT_BYTES)
        return false;
    result->id = take(&body, 8);
    uint64_t code = take(&body, 4);
    if (code > ERROR_INTERNAL)
        return false;
    result->code = (enum error_code)code;
    result->seq = take(&body, 8);
    result->failed = (uint32_t)take(&body, 4);
    result->text = body;
    return true;
}
