#include "worker/rpc/large_messages.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "worker/base/job.h"
#include "worker/base/snapshot.h"
#include "worker/intake/ring_intake.h"
#include "worker/net/connection_half_read.h"
#include "worker/net/connection_write.h"
#include "worker/rpc/call.h"
#include "worker/rpc/call_admission.h"
#include "worker/rpc/http_call.h"
#include "worker/rpc/message.h"

/* Units of work in one step; up to a string's more. */
enum { STEP_WORK = 4 * WORK_TURN };

struct large_message {
    TAILQ_ENTRY(large_message) queue;
    struct session *session;
    const struct http_call *call; /* NULL: it is a message */
    struct slice text; /* the caller's until large_messages_add() ends; then in ->own, or the call's */
    struct buffer own;
    bool refused; /* the message is not taken up */
};

struct large_message_queue {
    struct job job;
    struct worker *worker;
    TAILQ_HEAD(, large_message) waiting;
    struct json json; /* of the first of them, as far as it is parsed */
    struct json_parsing *parsing;
    enum json_parsed parsed;
    struct json_salvage salvage; /* when it was refused: the look for its tid */
};

static bool is_first(const struct large_message *message)
{
    return message == TAILQ_FIRST(&message->session->worker->large_messages->waiting);
}

/* Takes it out of the queue; of the first one the memory for parsing is given back. */
static void take_out(struct large_message *message)
{
    struct session *session = message->session;
    struct large_message_queue *queue = session->worker->large_messages;
    if (is_first(message)) {
        json_parsing_free(&queue->parsing);
        json_free(&queue->json);
        queue->parsed = JSON_PARSED_MORE;
    }
    TAILQ_REMOVE(&queue->waiting, message, queue);
    session->large_message = NULL;
    connection_recount_half_read(session->connection);
}

static void large_message_free(struct large_message *message)
{
    buffer_free(&message->own);
    free(message);
}

/* Whether the first one needs no more reading. */
static bool is_read(const struct large_message_queue *queue)
{
    if (queue->parsed == JSON_PARSED_NOT)
        return TAILQ_FIRST(&queue->waiting)->call || queue->salvage.stage == SALVAGE_OVER;
    return queue->parsed == JSON_PARSED_ALL;
}

static struct slice tid_of_refused(const struct large_message_queue *queue, const struct json *json)
{
    if (queue->parsed != JSON_PARSED_NOT)
        return (struct slice){0};
    return message_salvaged_tid(json, &queue->salvage, &queue->worker->scratch);
}

/* The first one is parsed: its call is run. What it was parsed into is the worker's message meanwhile, and
 * the method may keep that, and the text. */
static void large_message_hand_over(struct large_message_queue *queue)
{
    struct worker *worker = queue->worker;
    struct large_message *message = TAILQ_FIRST(&queue->waiting);
    struct session *session = message->session;
    struct connection *connection = session->connection;
    bool good = queue->parsed == JSON_PARSED_ALL;
    struct json before = worker->message;
    struct slice tid = tid_of_refused(queue, &queue->json);
    worker->message = queue->json;
    queue->json = (struct json){0};
    take_out(message);
    worker->message_text = message->own.length ? &message->own : NULL;
    if (connection->state == CONNECTION_HTTP && message->call)
        http_call_parsed(session, message->call, good);
    else if (connection->state == CONNECTION_OPEN && !message->refused)
        call_parsed(session, good, tid);
    else if (connection->state == CONNECTION_OPEN)
        call_refuse_parsed(session, good, tid);
    worker->message_text = NULL;
    json_free(&worker->message);
    worker->message = before;
    snapshot_end(worker);
    connection_log_in_ended(connection); /* or is an open call from now on, or was no log-in */
    if (connection->peer_done)
        connection_queue(connection); /* to be settled, also when nothing is answered */
    large_message_free(message);
}

static void large_message_read(struct large_message_queue *queue, uint64_t units)
{
    if (is_read(queue))
        return;
    if (queue->parsed == JSON_PARSED_NOT) {
        (void)!json_salvage_go_on(&queue->salvage, &queue->json, &units);
    } else {
        if (!queue->parsing)
            queue->parsing = json_parsing_create(&queue->json, TAILQ_FIRST(&queue->waiting)->text, false);
        queue->parsed = json_parsing_go_on(queue->parsing, &units);
        if (queue->parsed == JSON_PARSED_NOT)
            json_salvage_start(&queue->salvage, &queue->json, message_tid_name);
    }
    work_charge(&queue->worker->work, units);
}

static enum job_state large_message_step(struct job *job)
{
    struct large_message_queue *queue = (struct large_message_queue *)job;
    if (TAILQ_EMPTY(&queue->waiting))
        return JOB_DONE;
    bool begun = !is_read(queue);
    large_message_read(queue, STEP_WORK);
    if (!is_read(queue))
        return JOB_MORE;
    if (begun && !work_left(&queue->worker->work, WORK_KEPT_BY_JOBS)) /* what follows is for the next pass */
        return JOB_MORE;
    if (!ring_intake_keeps_up(queue->worker)) /* as for all calls */
        return JOB_LATER;
    large_message_hand_over(queue);
    return TAILQ_EMPTY(&queue->waiting) ? JOB_DONE : JOB_MORE;
}

static void queue_free(struct job *job)
{
    struct large_message_queue *queue = (struct large_message_queue *)job;
    queue->worker->large_messages = NULL;
    free(queue);
}

static struct large_message_queue *queue_create(struct worker *worker)
{
    struct large_message_queue *queue = memory_zeroed(1, sizeof *queue);
    queue->job.step = large_message_step;
    queue->job.free = queue_free;
    queue->worker = worker;
    TAILQ_INIT(&queue->waiting);
    worker->large_messages = queue;
    return queue;
}

/* The text outlives who gave it. */
static void keep_text(struct large_message *message)
{
    struct worker *worker = message->session->worker;
    if (message->call)
        return;
    buffer_append_slice(&message->own, message->text);
    message->text = buffer_slice(&message->own);
    if (is_first(message))
        worker->large_messages->json.text = message->text.data;
    work_charge(&worker->work, work_bytes(message->text.length));
}

static void large_message_keep(struct session *session, struct slice text, const struct http_call *call,
                               bool refused)
{
    struct worker *worker = session->worker;
    struct large_message *message = memory_zeroed(1, sizeof *message);
    struct large_message_queue *before = worker->large_messages;
    struct large_message_queue *queue = before ? before : queue_create(worker);
    message->session = session;
    message->call = call;
    message->text = text;
    message->refused = refused;
    session->large_message = message;
    TAILQ_INSERT_TAIL(&queue->waiting, message, queue);
    if (!before)
        job_start(worker->jobs, &queue->job);
    if (!session->large_message)
        return;
    keep_text(message);
    call_admission_review(session);
}

void large_messages_add(struct session *session, struct slice text, const struct http_call *call)
{
    large_message_keep(session, text, call, false);
}

void large_messages_refuse(struct session *session, struct slice text)
{
    large_message_keep(session, text, NULL, true);
}

size_t large_messages_bytes(const struct session *session)
{
    return session->large_message ? session->large_message->text.length : 0;
}

void large_messages_drop(struct session *session)
{
    struct large_message *message = session->large_message;
    if (!message)
        return;
    take_out(message);
    large_message_free(message);
}

void large_messages_finish(struct session *session)
{
    struct large_message *message = session->large_message;
    if (!message)
        return;
    struct large_message_queue *queue = session->worker->large_messages;
    if (!is_first(message)) { /* who was first begins anew */
        json_parsing_free(&queue->parsing);
        queue->parsed = JSON_PARSED_MORE;
        TAILQ_REMOVE(&queue->waiting, message, queue);
        TAILQ_INSERT_HEAD(&queue->waiting, message, queue);
    }
    while (!is_read(queue))
        large_message_read(queue, UINT64_MAX);
    large_message_hand_over(queue);
}
