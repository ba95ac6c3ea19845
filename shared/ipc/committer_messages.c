#include "shared/ipc/committer_messages.h"

#include <assert.h>

#include "shared/ring/ring.h"
#include "shared/store/bytes.h"

enum { LENGTH_BYTES = 4, HELLO_BYTES = 4 + 8, SET_BYTES = 8, RESULT_BYTES = 8 + 4 + 8 + 4 };

/* Starts a message with @body bytes, the first @fixed of which the caller fills in: returns where they
 * are. */
static char *begin_message(struct buffer *out, enum committer_message_type type, size_t fixed, size_t body)
{
    assert(body < COMMITTER_MESSAGE_MOST);
    char *at = buffer_reserve(out, LENGTH_BYTES + 1 + body);
    bytes_put_32(at, (uint32_t)body + 1);
    at[LENGTH_BYTES] = (char)type;
    out->length += LENGTH_BYTES + 1 + fixed;
    return at + LENGTH_BYTES + 1;
}

void committer_hello_append(struct buffer *out, uint32_t slot, uint64_t incarnation)
{
    char *at = begin_message(out, COMMITTER_HELLO, HELLO_BYTES, HELLO_BYTES);
    bytes_put_32(at, slot);
    bytes_put_64(at + 4, incarnation);
}

void committer_set_append(struct buffer *out, uint64_t id, struct slice set)
{
    bytes_put_64(begin_message(out, COMMITTER_SET, SET_BYTES, SET_BYTES + set.length), id);
    buffer_append_slice(out, set);
}

void committer_result_append(struct buffer *out, const struct committer_result *result)
{
    char *at = begin_message(out, COMMITTER_RESULT, RESULT_BYTES, RESULT_BYTES + result->text.length);
    bytes_put_64(at, result->id);
    bytes_put_32(at + 8, result->code);
    bytes_put_64(at + 12, result->seq);
    bytes_put_32(at + 20, result->at_fault);
    buffer_append_slice(out, result->text);
}

void committer_welcome_append(struct buffer *out)
{
    (void)begin_message(out, COMMITTER_WELCOME, 0, 0);
}

int committer_message_take(struct slice *bytes, enum committer_message_type *type, struct slice *body)
{
    if (bytes->length < LENGTH_BYTES)
        return 0;
    struct slice rest = slice_of(bytes->data + LENGTH_BYTES, bytes->length - LENGTH_BYTES);
    size_t length = bytes_get_32(bytes->data);
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
    *slot = bytes_get_32(body.data);
    *incarnation = bytes_get_64(body.data + 4);
    return *slot < RING_WORKERS;
}

bool committer_set_read(struct slice body, uint64_t *id, struct slice *set)
{
    if (body.length < SET_BYTES)
        return false;
    *id = bytes_get_64(body.data);
    *set = slice_of(body.data + SET_BYTES, body.length - SET_BYTES);
    return true;
}

bool committer_result_read(struct slice body, struct committer_result *result)
{
    if (body.length < RESULT_BYTES)
        return false;
    uint32_t code = bytes_get_32(body.data + 8);
    if (code > ERROR_INTERNAL)
        return false;
    *result = (struct committer_result){
        .id = bytes_get_64(body.data),
        .code = (enum error_code)code,
        .seq = bytes_get_64(body.data + 12),
        .at_fault = bytes_get_32(body.data + 20),
        .text = slice_of(body.data + RESULT_BYTES, body.length - RESULT_BYTES),
    };
    return true;
}
