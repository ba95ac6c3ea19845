#include "worker/rpc/answer.h"

#include "shared/json/json.h"
#include "worker/net/connection.h"
#include "worker/rpc/transaction.h"
#include "worker/session/session.h"

/* The answers of dispatchd-protocol(7): `update` and `fulfill` of the collection `transaction`. */

static const char update_head[] =
    "{\"operation\":\"update\",\"collectionName\":\"transaction\",\"data\":{\"tid\":";
static const char fulfill_head[] =
    "{\"operation\":\"fulfill\",\"collectionName\":\"transaction\",\"data\":{\"tid\":";

/* The head of an answer, up to the value of its "data". */
static struct buffer *begin_message(struct transaction *transaction, const char *head)
{
    struct buffer *reply = &transaction->worker->reply;
    buffer_clear(reply);
    buffer_append_text(reply, head);
    buffer_append_slice(reply, transaction->tid);
    return reply;
}

static void finish_message(struct transaction *transaction, struct buffer *reply, uint64_t after_seq)
{
    buffer_append_slice(reply, SLICE("}}"));
    connection_answer(transaction->session->connection, buffer_slice(reply), after_seq);
    buffer_clear(reply);
}

static void message_progress(struct transaction *transaction, struct slice data, uint64_t after_seq)
{
    struct buffer *reply = begin_message(transaction, update_head);
    buffer_append_slice(reply, SLICE(",\"data\":"));
    buffer_append_slice(reply, data);
    finish_message(transaction, reply, after_seq);
}

static void message_success(struct transaction *transaction, struct slice data, uint64_t after_seq)
{
    struct buffer *reply = begin_message(transaction, fulfill_head);
    buffer_append_slice(reply, SLICE(",\"success\":true,\"data\":"));
    buffer_append_slice(reply, data);
    finish_message(transaction, reply, after_seq);
}

static void message_failure(struct transaction *transaction, enum error_code code, struct slice message,
                            struct slice members)
{
    struct buffer *reply = begin_message(transaction, fulfill_head);
    buffer_append_slice(reply, SLICE(",\"success\":false,\"data\":"));
    answer_error_append(reply, code, message, members);
    finish_message(transaction, reply, 0);
}

static const char *message_cookie_fault(const struct transaction *transaction)
{
    (void)transaction;
    return "only a call over HTTP can set one";
}

const struct answer_way answer_messages = {
    .lasting = true,
    .progress = message_progress,
    .success = message_success,
    .failure = message_failure,
    .cookie_fault = message_cookie_fault,
};
