#include "worker/rpc/call.h"

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "worker/base/snapshot.h"
#include "worker/intake/ring_intake.h"
#include "worker/rpc/access.h"
#include "worker/rpc/answer.h"
#include "worker/rpc/call_admission.h"
#include "worker/rpc/error_texts.h"
#include "worker/rpc/large_messages.h"
#include "worker/rpc/method.h"
#include "worker/rpc/once.h"

static bool tid_in_use(const struct session *session, struct slice tid)
{
    const struct transaction *open;
    TAILQ_FOREACH (open, &session->calls, of_session)
        if (slice_equal(open->tid, tid))
            return true;
    return false;
}

/* Stands for a method that was not found: a transaction always has one, for its line in the log. */
static const struct method no_method = {.name = "?", .declared = -1};

struct transaction *call_begin(struct session *session, const struct message *message,
                               const struct answer_way *answers)
{
    struct transaction *transaction =
        memory_zeroed(1, sizeof *transaction + message->tid.length + message->once.length);
    transaction->worker = session->worker;
    transaction->session = session;
    transaction->answers = answers;
    transaction->method = &no_method;
    transaction->started_us = clock_monotonic_us();
    memcpy(transaction->memory, message->tid.data, message->tid.length);
    transaction->tid = slice_of(transaction->memory, message->tid.length);
    if (message->once.data) {
        char *once = transaction->memory + message->tid.length;
        memcpy(once, message->once.data, message->once.length);
        transaction->once = slice_of(once, message->once.length);
    }
    call_admission_enter(session, transaction, sizeof *transaction + json_text(message->data).length);
    return transaction;
}

/* "dispatcher" itself is no collection. False: the transaction has been answered. */
static bool find_method(struct transaction *transaction, const struct message *message)
{
    const struct config *config = transaction->worker->config;
    if (message->fault) {
        transaction_fail(transaction, ERROR_BAD_MESSAGE, "%s", message->fault);
        return false;
    }
    if (message->collection.data && !slice_equal(message->collection, SLICE("dispatcher"))) {
        transaction->collection = config_collection(config, message->collection);
        if (!transaction->collection || !method_any(transaction->collection)) {
            transaction->collection = NULL;
            transaction_fail(transaction, ERROR_UNKNOWN_COLLECTION, "There is no collection %.*s",
                             (int)message->collection.length, message->collection.data);
            return false;
        }
    }
    const struct method *method = method_find(transaction->collection, message->method);
    if (!method || !access_exposes(transaction->session->login.account, transaction->collection, method)) {
        transaction_fail(transaction, ERROR_UNKNOWN_METHOD, "There is no exposed method %.*s.%.*s",
                         message->collection.data ? (int)message->collection.length : 10,
                         message->collection.data ? message->collection.data : "dispatcher",
                         (int)message->method.length, message->method.data);
        return false;
    }
    transaction->method = method;
    return true;
}

/* From here on the call is this user's and session's. */
static void set_caller(struct transaction *transaction)
{
    const struct session *session = transaction->session;
    transaction->caller = session->login.account;
    transaction->account_changes = session->account_changes;
    if (!session->login.account)
        return;
    session->login.account->references++;
    transaction->has_token = session->login.has_token;
    if (session->login.has_token)
        memcpy(transaction->token_hash, session->login.token_hash, sizeof transaction->token_hash);
}

/* What sends more than its answer needs a caller that is still there for it. False: answered. */
static bool check_way(struct transaction *transaction)
{
    if (transaction->method->access != ACCESS_LASTING || transaction->answers->lasting)
        return true;
    transaction_fail(transaction, ERROR_INVALID, "%s sends more than an answer: call it over a WebSocket",
                     transaction->method->name);
    return false;
}

/* What anybody may call shows by its data who does: whether there is an answer for that, the method finds. */
static bool is_always_run(const struct method *method)
{
    return method->access == ACCESS_UNPROTECTED || method->declared == UNDECLARED_ANSWERS_AGAIN;
}

/* A call made before under the same key is answered, not run. True: it was. */
static bool answer_again(struct transaction *transaction)
{
    return transaction->once.data && !is_always_run(transaction->method) && transaction->caller &&
           snapshot_take(transaction->worker) &&
           once_answer_again(transaction, transaction_user(transaction));
}

static void bad_message(struct session *session, const char *fault, size_t offset)
{
    struct buffer text = {0};
    buffer_append_text(&text, fault);
    if (offset)
        buffer_append_format(&text, " at byte %zu", offset);
    session_bad_message(session, buffer_slice(&text));
    buffer_free(&text);
}

/* Whoever administers the server gets through, whatever clients hold. */
static bool is_control(const struct transaction *transaction)
{
    return transaction->caller && transaction->caller->control;
}

void call_run(struct transaction *transaction, const struct message *message, bool rights_known)
{
    if (!rights_known) {
        transaction_fail(transaction, ERROR_INTERNAL, "%s", text_store_unreadable);
        return;
    }
    set_caller(transaction);
    if (!find_method(transaction, message) || !access_check(transaction) || !check_way(transaction))
        return;
    if (transaction->worker->stopping)
        transaction_fail(transaction, ERROR_UNAVAILABLE, "%s", text_stopping);
    else if (!is_control(transaction) && !call_admission_has_room(transaction->worker))
        transaction_fail(transaction, ERROR_BUSY, "The calls of all clients hold too much memory; try again");
    else if (!answer_again(transaction))
        transaction->method->run(transaction, message->data);
}

/* The tid of a text that was refused, as far as it can be read. */
static struct slice find_tid(struct worker *worker)
{
    struct json_salvage salvage;
    uint64_t units = UINT64_MAX;
    json_salvage_start(&salvage, &worker->message, message_tid_name);
    while (!json_salvage_go_on(&salvage, &worker->message, &units))
        units = UINT64_MAX;
    work_charge(&worker->work, units);
    return message_salvaged_tid(&worker->message, &salvage, &worker->scratch);
}

/* A text that was refused: who waits for the answer to its tid is told. */
static void refuse_text(struct session *session, struct slice tid)
{
    const struct json *json = &session->worker->message;
    struct message message = {.tid = tid};
    if (!tid.data || tid_in_use(session, tid)) {
        bad_message(session, json->error, json->error_offset + 1);
        return;
    }
    struct transaction *transaction = call_begin(session, &message, &answer_messages);
    set_caller(transaction);
    transaction_fail(transaction, ERROR_BAD_MESSAGE, "%s at byte %zu", json->error, json->error_offset + 1);
}

/* What was parsed, well or not, into the worker's message. False: it is no message, and has been answered. */
static bool take_message(struct session *session, bool good, struct slice tid, struct message *message)
{
    struct worker *worker = session->worker;
    const char *fault;
    work_charge(&worker->work, WORK_CALL);
    if (!good) {
        refuse_text(session, tid);
        return false;
    }
    if (!message_read(&worker->message, &worker->scratch, message, &fault)) {
        bad_message(session, fault, 0);
        return false;
    }
    if (tid_in_use(session, message->tid)) {
        bad_message(session, "tid: a call with this tid is still open", 0);
        return false;
    }
    return true;
}

/* A text that is parsed in one go, and then given to @then. */
static void parse_now(struct session *session, struct slice text,
                      void (*then)(struct session *, bool good, struct slice tid))
{
    struct worker *worker = session->worker;
    bool good = json_parse(&worker->message, text.data, text.length);
    work_charge(&worker->work, work_parsed(text.length, worker->message.count));
    struct slice tid = {0};
    if (!good)
        tid = find_tid(worker);
    then(session, good, tid);
}

void call_parsed(struct session *session, bool good, struct slice tid)
{
    struct worker *worker = session->worker;
    struct message message;
    bool rights_known = ring_intake_published(worker);
    if (session->connection->state == CONNECTION_OPEN && take_message(session, good, tid, &message))
        call_run(call_begin(session, &message, &answer_messages), &message, rights_known);
    call_admission_review(session);
    buffer_clear(&worker->scratch);
}

void call_handle(struct session *session, struct slice text)
{
    struct worker *worker = session->worker;
    atomic_fetch_add_explicit(&worker->score->calls, 1, memory_order_relaxed);
    (void)ring_intake_published(worker); /* it may be a stranger from now on */
    if (session->connection->state != CONNECTION_OPEN ||
        (!session->login.account && !session_strange_call(session)))
        return;
    if (text.length > LARGE_MESSAGE)
        large_messages_add(session, text, NULL);
    else
        parse_now(session, text, call_parsed);
}

void call_refuse_parsed(struct session *session, bool good, struct slice tid)
{
    struct message message;
    bool stopping = session->worker->stopping;
    if (take_message(session, good, tid, &message))
        transaction_fail(call_begin(session, &message, &answer_messages),
                         stopping ? ERROR_UNAVAILABLE : ERROR_BUSY, "%s",
                         stopping ? text_stopping
                                  : "Your calls have waited too long; read their answers, and send fewer "
                                    "at once");
    buffer_clear(&session->worker->scratch);
    call_admission_review(session);
}

void call_refuse(struct session *session, struct slice text)
{
    if (text.length > LARGE_MESSAGE && !session->worker->stopping)
        large_messages_refuse(session, text);
    else
        parse_now(session, text, call_refuse_parsed);
}
