#include "client/c/ws_client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "shared/base/close_code.h"
#include "shared/base/memory.h"
#include "shared/base/random.h"
#include "shared/ipc/frame_header.h"

/*
 * RFC 6455 asks for a random nonce in the handshake. It protects against caches that answer by themselves; a
 * tool that talks to a server it was pointed at takes the example of section 1.3, whose answer is known
 * without SHA-1.
 */
static const char nonce[] = "dGhlIHNhbXBsZSBub25jZQ==";
static const char nonce_answer[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

enum { HEAD_LIMIT = 16384, SEND_AT_ONCE = 1 << 20 };

[[gnu::format(printf, 2, 3)]] static enum ws_event ws_client_over(struct ws_client *client,
                                                                  const char *format, ...)
{
    if (!client->error) {
        client->error = memory_allocate(WS_ERROR_BYTES);
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(client->error, WS_ERROR_BYTES, format, arguments);
        va_end(arguments);
    }
    client->state = WS_STATE_OVER;
    return WS_CLOSED;
}

static void queue_handshake(struct ws_client *client, const struct ws_target *target, const char *token)
{
    buffer_append_format(&client->out,
                         "%sGET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n",
                         target->control ? "session\n" : "", target->resource, target->host, nonce);
    if (token)
        buffer_append_format(&client->out, "Authorization: Bearer %s\r\n", token);
    buffer_append_text(&client->out, "\r\n");
}

bool ws_client_open(struct ws_client *client, const struct ws_target *target, const char *token,
                    unsigned source, struct ws_input *input)
{
    *client = (struct ws_client){.input = input, .mask = (uint32_t)random_number() | 1};
    client->fd = ws_target_connect(target, source);
    if (client->fd < 0) {
        ws_client_over(client, "%s", strerror(errno));
        return false;
    }
    client->state = WS_STATE_HANDSHAKE;
    queue_handshake(client, target, token);
    return true;
}

bool ws_client_read(struct ws_client *client)
{
    struct buffer *bytes = &client->input->bytes;
    buffer_clear(bytes);
    client->input->at = 0;
    buffer_append(bytes, client->kept.data, client->kept.length);
    buffer_clear(&client->kept);
    char *room = buffer_reserve(bytes, WS_INPUT_BYTES);
    ssize_t got = read(client->fd, room, WS_INPUT_BYTES);
    if (got > 0) {
        bytes->length += (size_t)got;
        client->bytes_in += (uint64_t)got;
        return true;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        buffer_append(&client->kept, bytes->data, bytes->length);
        return false;
    }
    client->ended = true;
    if (got < 0)
        ws_client_over(client, "%s", strerror(errno));
    return true;
}

/* The value of a header in the server's answer; absent when there is none. */
static struct slice header_value(struct slice head, const char *name)
{
    size_t name_length = strlen(name);
    const char *end = head.data + head.length;
    for (const char *line = memchr(head.data, '\n', head.length); line && ++line < end;
         line = memchr(line, '\n', (size_t)(end - line))) {
        if ((size_t)(end - line) <= name_length || strncasecmp(line, name, name_length) != 0 ||
            line[name_length] != ':')
            continue;
        const char *value = line + name_length + 1;
        const char *stop = memchr(value, '\n', (size_t)(end - value));
        while (value < end && *value == ' ')
            value++;
        stop = stop ? stop : end;
        while (stop > value && (stop[-1] == '\r' || stop[-1] == ' '))
            stop--;
        return slice_of(value, (size_t)(stop - value));
    }
    return (struct slice){0};
}

/* Section 4.1: status 101 and the answer to our nonce, or it is no WebSocket. */
static enum ws_event next_in_handshake(struct ws_client *client, struct slice rest)
{
    /* A server that refuses before it speaks HTTP (the control socket) answers one line of JSON. */
    if (rest.length > 0 && rest.data[0] == '{') {
        size_t line = strcspn(rest.data, "\r\n");
        if (line < rest.length || client->ended)
            return ws_client_over(client, "%.*s", (int)line, rest.data);
    }
    const char *blank = memmem(rest.data, rest.length, "\r\n\r\n", 4);
    if (!blank) {
        if (rest.length > HEAD_LIMIT)
            return ws_client_over(client, "the answer to the handshake does not end");
        return client->ended ? ws_client_over(client, "the server closed the connection during the handshake")
                             : WS_AGAIN;
    }
    struct slice head = slice_of(rest.data, (size_t)(blank - rest.data) + 2);
    int first_line = (int)strcspn(head.data, "\r\n");
    if (head.length < 13 || memcmp(head.data, "HTTP/1.1 101", 12) != 0)
        return ws_client_over(client, "the handshake was answered with \"%.*s\"",
                              first_line > 100 ? 100 : first_line, head.data);
    if (!slice_equal(header_value(head, "Sec-WebSocket-Accept"), slice_text(nonce_answer)))
        return ws_client_over(client, "the answer to the handshake has a wrong Sec-WebSocket-Accept");
    client->input->at += head.length + 2;
    client->state = WS_STATE_OPEN;
    return WS_OPENED;
}

static uint32_t next_mask(struct ws_client *client)
{
    uint32_t x = client->mask;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return client->mask = x;
}

/* Section 5.3. The payload is masked eight bytes at a time. */
static void queue_frame(struct ws_client *client, unsigned opcode, struct slice payload)
{
    struct buffer *out = &client->out;
    uint8_t *at = (uint8_t *)buffer_reserve(out, FRAME_HEADER_MOST + 4 + payload.length);
    size_t header = frame_header_write(at, opcode, payload.length);
    at[1] |= 0x80;
    uint32_t mask = next_mask(client);
    memcpy(at + header, &mask, 4);
    uint8_t *to = at + header + 4;
    uint64_t wide = (uint64_t)mask << 32 | mask;
    size_t i = 0;
    for (; i + 8 <= payload.length; i += 8) {
        uint64_t word;
        memcpy(&word, payload.data + i, 8);
        word ^= wide;
        memcpy(to + i, &word, 8);
    }
    const uint8_t *key = at + header;
    for (; i < payload.length; i++)
        to[i] = (uint8_t)((uint8_t)payload.data[i] ^ key[i % 4]);
    out->length += header + 4 + payload.length;
}

void ws_client_send(struct ws_client *client, struct slice text)
{
    queue_frame(client, OPCODE_TEXT, text);
}

void ws_client_send_close(struct ws_client *client, uint16_t code)
{
    char payload[2] = {(char)(code >> 8), (char)(code & 0xff)};
    if (client->state == WS_STATE_OPEN) {
        queue_frame(client, OPCODE_CLOSE, slice_of(payload, 2));
        client->state = WS_STATE_CLOSING;
    }
}

static enum ws_event closed_by_server(struct ws_client *client, struct slice payload)
{
    if (payload.length >= 2)
        client->close_code = (uint16_t)((uint8_t)payload.data[0] << 8 | (uint8_t)payload.data[1]);
    ws_client_send_close(client, client->close_code ? client->close_code : CLOSE_NORMAL);
    ws_client_flush(client);
    int reason = payload.length > 2 ? (int)payload.length - 2 : 0;
    return ws_client_over(client, "the server closed the connection (%u%s%.*s)", client->close_code,
                          reason ? ": " : "", reason, reason ? payload.data + 2 : "");
}

/* One whole frame. WS_AGAIN: it was nothing for the caller. */
static enum ws_event take_frame(struct ws_client *client, unsigned first, struct slice payload,
                                struct slice *message)
{
    unsigned opcode = first & 0x0f;
    bool final = first & 0x80;
    switch (opcode) {
    case OPCODE_PING:
        if (client->state == WS_STATE_OPEN)
            queue_frame(client, OPCODE_PONG, payload);
        return WS_AGAIN;
    case OPCODE_PONG:
        return WS_AGAIN;
    case OPCODE_CLOSE:
        return closed_by_server(client, payload);
    case OPCODE_TEXT:
    case OPCODE_BINARY:
        if (final) {
            *message = payload;
            return WS_MESSAGE;
        }
        buffer_clear(&client->fragments);
        buffer_append_slice(&client->fragments, payload);
        return WS_AGAIN;
    case OPCODE_CONTINUATION:
        if (client->fragments.length + payload.length > WS_MESSAGE_LIMIT)
            return ws_client_over(client, "the server sent too long a message");
        buffer_append_slice(&client->fragments, payload);
        if (!final)
            return WS_AGAIN;
        *message = buffer_slice(&client->fragments);
        return WS_MESSAGE;
    }
    return ws_client_over(client, "the server sent a frame with opcode %u", opcode);
}

/* The header of a server's frame: two bytes, then a length of 0, 2 or 8 bytes; 0: not all of it is
 * there yet. */
static size_t read_header(struct slice rest, uint64_t *length)
{
    if (rest.length < 2)
        return 0;
    const uint8_t *bytes = (const uint8_t *)rest.data;
    unsigned small = bytes[1] & 0x7f;
    *length = small;
    if (small < 126)
        return 2;
    size_t wide = small == 126 ? 2 : 8;
    if (rest.length < 2 + wide)
        return 0;
    *length = 0;
    for (size_t i = 0; i < wide; i++)
        *length = *length << 8 | bytes[2 + i];
    return 2 + wide;
}

static enum ws_event next_frame(struct ws_client *client, struct slice *message)
{
    struct ws_input *input = client->input;
    for (;;) {
        struct slice rest = slice_of(input->bytes.data + input->at, input->bytes.length - input->at);
        uint64_t length;
        size_t header = read_header(rest, &length);
        if (header && ((rest.data[1] & 0x80) || (rest.data[0] & 0x70)))
            return ws_client_over(client, "the server sent a frame that is masked or uses an extension");
        if (header && length > WS_MESSAGE_LIMIT)
            return ws_client_over(client, "the server sent too long a message");
        if (!header || rest.length - header < length)
            return client->ended ? ws_client_over(client, "the server closed the connection") : WS_AGAIN;
        input->at += header + (size_t)length;
        enum ws_event event =
            take_frame(client, (uint8_t)rest.data[0], slice_of(rest.data + header, (size_t)length), message);
        if (event != WS_AGAIN)
            return event;
    }
}

enum ws_event ws_client_next(struct ws_client *client, struct slice *message)
{
    struct ws_input *input = client->input;
    enum ws_event event = WS_CLOSED;
    if (client->state == WS_STATE_HANDSHAKE) {
        buffer_append_byte(&input->bytes, 0); /* so that functions of C strings may look at the head */
        input->bytes.length--;
        event = next_in_handshake(client, slice_of(input->bytes.data, input->bytes.length));
    } else if (client->state != WS_STATE_OVER && client->state != WS_STATE_NONE) {
        event = next_frame(client, message);
    }
    if (event == WS_AGAIN && input->at < input->bytes.length)
        buffer_append(&client->kept, input->bytes.data + input->at, input->bytes.length - input->at);
    return event;
}

bool ws_client_flush(struct ws_client *client)
{
    while (client->out_at < client->out.length) {
        size_t length = client->out.length - client->out_at;
        ssize_t sent = send(client->fd, client->out.data + client->out_at,
                            length > SEND_AT_ONCE ? SEND_AT_ONCE : length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN))
            break;
        if (sent < 0) {
            /* When the server has closed, reading tells what it said before. */
            if (errno != EPIPE && errno != ECONNRESET)
                ws_client_over(client, "%s", strerror(errno));
            client->out_at = client->out.length;
            break;
        }
        client->out_at += (size_t)sent;
    }
    if (client->out_at == client->out.length) {
        buffer_clear(&client->out);
        client->out_at = 0;
        return true;
    }
    if (client->out_at > SEND_AT_ONCE) {
        buffer_consume(&client->out, client->out_at);
        client->out_at = 0;
    }
    return false;
}

void ws_client_free(struct ws_client *client)
{
    if (client->state != WS_STATE_NONE && client->fd >= 0)
        close(client->fd);
    buffer_free(&client->kept);
    buffer_free(&client->fragments);
    buffer_free(&client->out);
    free(client->error);
    *client = (struct ws_client){.fd = -1};
}

void ws_input_free(struct ws_input *input)
{
    buffer_free(&input->bytes);
}
