#ifndef CLIENT_C_SESSION_H
#define CLIENT_C_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "client/c/ws_client.h"
#include "shared/json/json.h"

/*
 * One connection that speaks the protocol of dispatchd-protocol(7) and waits for answers: for commands, and
 * for what a measurement must prepare. Calls may be sent ahead: send several, then take the answers as they
 * come.
 */

struct session {
    struct ws_client ws;
    struct ws_input input;
    struct json json; /* of the last message */
    struct buffer scratch;
    struct buffer call;
    uint64_t tid;      /* of the last call */
    bool reading;      /* the input may hold further messages */
    char message[300]; /* after a failure: one line */
};

enum session_event {
    SESSION_REPLY,   /* the end of a call */
    SESSION_OTHER,   /* any other message, progress of calls included */
    SESSION_TIMEOUT, /* nothing came; ->message is set for SESSION_FAILED alone */
    SESSION_FAILED   /* the connection is over */
};

/** What came. Everything points into the session and is valid until the next call of its functions. */
struct session_reply {
    struct slice text;      /* the message as it came */
    struct json_value root; /* the message */
    uint64_t tid;           /* SESSION_REPLY: whose */
    bool success;
    struct json_value data; /* SESSION_REPLY: the answer; otherwise the message's data */
};

/** Connects and completes the handshake. False: ->message says why; session_close() either way. */
[[gnu::warn_unused_result]] bool session_open(struct session *session, const struct ws_target *target,
                                              const char *token, int timeout_ms);

/** Queues a call and returns its tid. @data: JSON. */
uint64_t session_send(struct session *session, const char *collection, const char *method, struct slice data);

/** The next message, sending meanwhile what is queued. @timeout_ms -1: as long as it takes. A signal that was
 * caught ends the wait like the time. */
enum session_event session_next(struct session *session, struct session_reply *reply, int timeout_ms);

/**
 * Sends a call and waits for its answer; other messages are dropped. False: ->message is what the server
 * answered, or what went wrong.
 */
[[gnu::warn_unused_result]] bool session_call(struct session *session, const char *collection,
                                              const char *method, struct slice data,
                                              struct session_reply *reply, int timeout_ms);

/** Puts the server's "message" (or its "code") of a reply without success into ->message. */
void session_explain(struct session *session, const struct session_reply *reply);

/** Says goodbye (1000) if it can, closes, frees. */
void session_close(struct session *session);

#endif
