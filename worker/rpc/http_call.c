#include "worker/rpc/http_call.h"

#include <stdio.h>

#include "worker/base/snapshot.h"
#include "worker/intake/ring_intake.h"
#include "worker/rpc/answer.h"
#include "worker/rpc/call.h"
#include "worker/rpc/error_texts.h"
#include "worker/rpc/large_messages.h"
#include "worker/rpc/message.h"
#include "worker/session/tokens.h"

enum { FAULT_BYTES = 160 };

/* What is wrong with the data, if anything. */
static const char *read_data(struct worker *worker, struct slice text, bool good, struct message *message,
                             char fault[FAULT_BYTES])
{
    buffer_clear(&worker->scratch);
    if (text.length == 0)
        return NULL;
    buffer_reserve(&worker->scratch, text.length); /* as for a message: strings are put into it */
    if (good) {
        message->data = json_root(&worker->message);
        return NULL;
    }
    snprintf(fault, FAULT_BYTES, "%s at byte %zu", worker->message.error, worker->message.error_offset + 1);
    return fault;
}

/* Who it is. Calls of nobody are counted: after too many the connection closes with this answer, which is given
 * all the same, for a proxy may carry the calls of many on one. A cookie whose session has ended makes a call
 * nobody's: the page cannot take it back, and must be able to log in. False: answered. */
static bool authorize_request(struct transaction *transaction, const struct http_call *call)
{
    struct buffer document = {0};
    if (!call->token.data) {
        session_strange_call(transaction->session);
        return true;
    }
    if (!snapshot_take(transaction->worker)) {
        transaction_fail(transaction, ERROR_INTERNAL, "%s", text_store_unreadable);
        return false;
    }
    const char *wrong = token_authorize(transaction->session, call->token, &document);
    buffer_free(&document);
    if (!wrong)
        return true;
    session_strange_call(transaction->session);
    if (call->by_cookie)
        return true;
    transaction_fail(transaction, ERROR_UNAUTHORIZED, "%s", wrong);
    return false;
}

void http_call_parsed(struct session *session, const struct http_call *call, bool good)
{
    struct worker *worker = session->worker;
    char fault[FAULT_BYTES];
    struct message message = {
        .tid = SLICE("null"), /* there is none: one call at a time */
        .collection = call->collection,
        .method = call->method,
        .once = call->once,
    };
    bool rights_known = ring_intake_published(worker);
    work_charge(&worker->work, WORK_CALL);
    message.fault = read_data(worker, call->data, good, &message, fault);
    struct transaction *transaction = call_begin(session, &message, &answer_http);
    if (authorize_request(transaction, call))
        call_run(transaction, &message, rights_known);
    buffer_clear(&worker->scratch);
}

void http_call_handle(struct session *session, const struct http_call *call)
{
    struct worker *worker = session->worker;
    struct slice text = call->data;
    atomic_fetch_add_explicit(&worker->score->calls, 1, memory_order_relaxed);
    if (text.length > LARGE_MESSAGE) {
        large_messages_add(session, text, call);
        return;
    }
    bool good = text.length == 0 || json_parse(&worker->message, text.data, text.length);
    if (text.length > 0)
        work_charge(&worker->work, work_parsed(text.length, worker->message.count));
    http_call_parsed(session, call, good);
}
