#ifndef CLIENT_C_CLIENT_H
#define CLIENT_C_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "client/c/ws_client.h"
#include "shared/json/json.h"

/*
 * One connection that speaks the protocol of dispatchd-protocol(7) and waits for answers: for commands, and
 * for what a measurement must prepare. Calls may be sent ahead: send several, then take the answers as they
 * come.
 */

struct client {
    struct ws_client ws;
    struct ws_input input;
    struct json json; /* of the last message */
    struct buffer scratch;
    struct buffer call;
    uint64_t tid;      /* of the last call */
    bool reading;      /* the input may hold further messages */
    char message[300]; /* after a failure: one line */
};

enum client_event {
    CLIENT_REPLY,   /* the end of a call */
    CLIENT_OTHER,   /* any other message, progress of calls included */
    CLIENT_TIMEOUT, /* nothing came; ->message is set for CLIENT_FAILED alone */
    CLIENT_FAILED   /* the connection is over, or one of our calls gets no answer */
};

/** What came. Everything points into the client and is valid until the next call of its functions. */
struct client_reply {
    struct slice text;      /* the message as it came */
    struct json_value root; /* the message */
    uint64_t tid;           /* CLIENT_REPLY: whose */
    bool success;
    struct json_value data; /* CLIENT_REPLY: the answer; otherwise the message's data */
};

/** Connects and completes the handshake. False: ->message says why; client_close() either way. */
[[gnu::warn_unused_result]] bool client_open(struct client *client, const struct ws_target *target,
                                             const char *token, int timeout_ms);

/** Queues a call and returns its tid. @data: JSON. */
uint64_t client_send(struct client *client, const char *collection, const char *method, struct slice data);

/** The next message, sending meanwhile what is queued. @timeout_ms -1: as long as it takes. A signal that was
 * caught ends the wait like the time. */
enum client_event client_next(struct client *client, struct client_reply *reply, int timeout_ms);

/**
 * Sends a call and waits for its answer; other messages are dropped. False: ->message is what the server
 * answered, or what went wrong.
 */
[[gnu::warn_unused_result]] bool client_call(struct client *client, const char *collection,
                                             const char *method, struct slice data,
                                             struct client_reply *reply, int timeout_ms);

/** Puts the server's "message" (or its "code") of a reply without success into ->message. */
void client_explain(struct client *client, const struct client_reply *reply);

/** Says goodbye (1000) if it can, closes, frees. */
void client_close(struct client *client);

#endif
