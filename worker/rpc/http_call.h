#ifndef WORKER_RPC_HTTP_CALL_H
#define WORKER_RPC_HTTP_CALL_H

#include "worker/net/http/http_api.h"
#include "worker/session/session.h"

/** Handles a call that came over HTTP, as call_handle() does with a message: @session is nobody's yet, and is
 * the request's own. A token that is not valid is answered, whatever is called; in a cookie it is as
 * good as none. */
void http_call_handle(struct session *session, const struct http_call *call);

/** The same from where its data, if it has any, is parsed into the worker's message, or is not @good. */
void http_call_parsed(struct session *session, const struct http_call *call, bool good);

#endif
