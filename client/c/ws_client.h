#ifndef CLIENT_C_WS_CLIENT_H
#define CLIENT_C_WS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/c/ws_target.h"
#include "shared/base/buffer.h"
#include "shared/base/slice.h"

/*
 * The client's side of a WebSocket (RFC 6455), for the tools: one connection, no event loop of its own, never
 * blocks. Made for measuring, so reading is cheap: many connections read into one common piece of memory
 * (struct ws_input), messages are given out in place, and a connection keeps bytes of its own only for a
 * message that is incomplete.
 *
 *   on readable:  if (ws_client_read(client))
 *                     while ((event = ws_client_next(client, &message)) != WS_AGAIN) ...
 *   on writable:  ws_client_flush(client)
 */

/** Memory that connections read into, one after the other. All zero is empty; ws_input_free() at the end. */
struct ws_input {
    struct buffer bytes;
    size_t at; /* of the first byte not yet given out */
};

enum ws_event {
    WS_AGAIN,   /* nothing more for now; the rest of the input is kept */
    WS_OPENED,  /* the handshake is complete: once, before the first message */
    WS_MESSAGE, /* a whole text or binary message */
    WS_CLOSED   /* over: closed by the server, or failed; ->error says why */
};

enum ws_state { WS_STATE_NONE, WS_STATE_HANDSHAKE, WS_STATE_OPEN, WS_STATE_CLOSING, WS_STATE_OVER };

enum { WS_ERROR_BYTES = 160, WS_INPUT_BYTES = 262144 };

/** A server's message longer than this ends the connection. */
#define WS_MESSAGE_LIMIT ((size_t)160 << 20)

struct ws_client {
    int fd; /* -1: none */
    enum ws_state state;
    bool ended;          /* the server sends no more */
    uint16_t close_code; /* from the server's close frame; 0: none came */
    struct ws_input *input;
    struct buffer kept;      /* the beginning of a frame whose end has not come */
    struct buffer fragments; /* of a fragmented message so far */
    struct buffer out;       /* what is to be sent, from out_at on */
    size_t out_at;
    uint32_t mask; /* state of the generator of masks */
    uint64_t bytes_in;
    char *error; /* why it is over; allocated */
};

/**
 * Starts a connection to @target, with "Authorization: Bearer @token" in the handshake if @token is not NULL.
 * @input is shared and must outlive the client. @source as for ws_target_connect(). False: could not start,
 * ->error says why. Either way ws_client_free() ends it.
 */
[[gnu::warn_unused_result]] bool ws_client_open(struct ws_client *client, const struct ws_target *target,
                                                const char *token, unsigned source, struct ws_input *input);

/**
 * Reads once what is there. False: nothing was. The common memory belongs to this client until
 * ws_client_next() has answered WS_AGAIN or WS_CLOSED: call it until then.
 */
bool ws_client_read(struct ws_client *client);

/** The next event. The message's bytes are valid until the next call for any client of the same input. Pings
 * are answered on the way (flush afterwards). */
enum ws_event ws_client_next(struct ws_client *client, struct slice *message);

/** Queues a text message (masked, as section 5.3 asks of clients). */
void ws_client_send(struct ws_client *client, struct slice text);

/** Queues a close frame with @code; nothing may be sent after it. */
void ws_client_send_close(struct ws_client *client, uint16_t code);

/** Writes what is queued. False: some of it is left, try again when the socket is writable. */
bool ws_client_flush(struct ws_client *client);

static inline bool ws_client_wants_to_write(const struct ws_client *client)
{
    return client->out_at < client->out.length;
}

/** Closes the socket and frees everything. All zero is a client that was never opened. */
void ws_client_free(struct ws_client *client);

void ws_input_free(struct ws_input *input);

#endif
