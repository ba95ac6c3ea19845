#ifndef WORKER_RPC_LARGE_MESSAGES_H
#define WORKER_RPC_LARGE_MESSAGES_H

#include "worker/session/session.h"

/*
 * Large messages, and large contents of requests over HTTP, from their arrival until they are parsed: in
 * steps of bounded work, one after the other in the order in which they came, so that memory for parsing is
 * taken once. Meanwhile what comes after one on its connection waits.
 */

enum { LARGE_MESSAGE = 16 * 1024 }; /* bytes; what has no more is parsed as it comes */

struct http_call;
struct large_message;
struct large_message_queue;

/** A text of more than LARGE_MESSAGE bytes has come: it is parsed, and then given to call_parsed(). With
 * @call, whose data it is and which lives as long as the exchange, to http_call_parsed(). Perhaps at once. */
void large_messages_add(struct session *session, struct slice text, const struct http_call *call);

/** The same with a message that waited and is not taken: it is given to call_refuse_parsed(). */
void large_messages_refuse(struct session *session, struct slice text);

/** What has come and is not handled yet. */
size_t large_messages_bytes(const struct session *session);

/** The session ends: nobody handles what has come. */
void large_messages_drop(struct session *session);

/** It is handled now, whatever work that is, if there is one. */
void large_messages_finish(struct session *session);

#endif
