#include "worker/rpc/incoming.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "worker/base/job.h"
#include "worker/base/snapshot.h"
#include "worker/intake/ring_intake.h"
#include "worker/net/connection_half_read.h"
#include "worker/net/connection_write.h"
#include "worker/rpc/admission.h"
#include "worker/rpc/call.h"
#include "worker/rpc/http_call.h"
#include "worker/rpc/message.h"

/* Units of work in one step; up to a string's more. */
enum { STEP_WORK = 4 * WORK_TURN };

struct incoming {
    TAILQ_ENTRY(incoming) queue;
    struct session *session;
    const struct http_call *call; /* NULL: it is a message */
    struct slice text;            /* the caller's until incoming_add() ends; then in ->own, or the call's */
    struct buffer own;
    bool refused; /* the message is not taken up */
};

struct incoming_queue {
    struct job job;
    struct worker *worker;
    TAILQ_HEAD(, incoming) waiting;
    struct json json; /* of the first of them, as far as it is parsed */
    struct json_parsing *parsing;
    enum json_parsed parsed;
    struct json_salvage salvage; /* when it was refused: the look for its tid */
};

static bool is_first(const struct incoming *incoming)
{
    return incoming == TAILQ_FIRST(&incoming->session->worker->incoming->waiting);
}

/* Takes it out of the queue; of the first one the memory for parsing is given back. */
static void take_out(struct incoming *incoming)
{
    struct session *session = incoming->session;
    struct incoming_queue *queue = session->worker->incoming;
    if (is_first(incoming)) {
        json_parsing_free(&queue->parsing);
        json_free(&queue->json);
        queue->parsed = JSON_PARSED_MORE;
    }
    TAILQ_REMOVE(&queue->waiting, incoming, queue);
    session->incoming = NULL;
    connection_recount_half_read(session->connection);
}

static void incoming_free(struct incoming *incoming)
{
    buffer_free(&incoming->own);
    free(incoming);
}

/* Whether the first one needs no more reading. */
static bool is_read(const struct incoming_queue *queue)
{
    if (queue->parsed == JSON_PARSED_NOT)
        return TAILQ_FIRST(&queue->waiting)->call || queue->salvage.stage == SALVAGE_OVER;
    return queue->parsed == JSON_PARSED_ALL;
}

static struct slice tid_of_refused(const struct incoming_queue *queue, const struct json *json)
{
    if (queue->parsed != JSON_PARSED_NOT)
        return (struct slice){0};
    return message_salvaged_tid(json, &queue->salvage, &queue->worker->scratch);
}

/* The first one is parsed: its call is run. What it was parsed into is the worker's message meanwhile, and
 * the method may keep that, and the text. */
static void incoming_hand_over(struct incoming_queue *queue)
{
    struct worker *worker = queue->worker;
    struct incoming *incoming = TAILQ_FIRST(&queue->waiting);
    struct session *session = incoming->session;
    struct connection *connection = session->connection;
    bool good = queue->parsed == JSON_PARSED_ALL;
    struct json before = worker->message;
    struct slice tid = tid_of_refused(queue, &queue->json);
    worker->message = queue->json;
    queue->json = (struct json){0};
    take_out(incoming);
    worker->message_text = incoming->own.length ? &incoming->own : NULL;
    if (connection->state == CONNECTION_HTTP && incoming->call)
        http_call_parsed(session, incoming->call, good);
    else if (connection->state == CONNECTION_OPEN && !incoming->refused)
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
    incoming_free(incoming);
}

static void incoming_read(struct incoming_queue *queue, uint64_t units)
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

static enum job_state incoming_step(struct job *job)
{
    struct incoming_queue *queue = (struct incoming_queue *)job;
    if (TAILQ_EMPTY(&queue->waiting))
        return JOB_DONE;
    bool begun = !is_read(queue);
    incoming_read(queue, STEP_WORK);
    if (!is_read(queue))
        return JOB_MORE;
    if (begun && !work_left(&queue->worker->work, WORK_KEPT_BY_JOBS)) /* what follows is for the next pass */
        return JOB_MORE;
    if (!ring_intake_keeps_up(queue->worker)) /* as for all calls */
        return JOB_LATER;
    incoming_hand_over(queue);
    return TAILQ_EMPTY(&queue->waiting) ? JOB_DONE : JOB_MORE;
}

static void queue_free(struct job *job)
{
    struct incoming_queue *queue = (struct incoming_queue *)job;
    queue->worker->incoming = NULL;
    free(queue);
}

static struct incoming_queue *queue_create(struct worker *worker)
{
    struct incoming_queue *queue = memory_zeroed(1, sizeof *queue);
    queue->job.step = incoming_step;
    queue->job.free = queue_free;
    queue->worker = worker;
    TAILQ_INIT(&queue->waiting);
    worker->incoming = queue;
    return queue;
}

/* The text outlives who gave it. */
static void keep_text(struct incoming *incoming)
{
    struct worker *worker = incoming->session->worker;
    if (incoming->call)
        return;
    buffer_append_slice(&incoming->own, incoming->text);
    incoming->text = buffer_slice(&incoming->own);
    if (is_first(incoming))
        worker->incoming->json.text = incoming->text.data;
    work_charge(&worker->work, work_bytes(incoming->text.length));
}

static void incoming_keep(struct session *session, struct slice text, const struct http_call *call,
                          bool refused)
{
    struct worker *worker = session->worker;
    struct incoming *incoming = memory_zeroed(1, sizeof *incoming);
    struct incoming_queue *before = worker->incoming;
    struct incoming_queue *queue = before ? before : queue_create(worker);
    incoming->session = session;
    incoming->call = call;
    incoming->text = text;
    incoming->refused = refused;
    session->incoming = incoming;
    TAILQ_INSERT_TAIL(&queue->waiting, incoming, queue);
    if (!before)
        job_start(worker->jobs, &queue->job);
    if (!session->incoming)
        return;
    keep_text(incoming);
    admission_review(session);
}

void incoming_add(struct session *session, struct slice text, const struct http_call *call)
{
    incoming_keep(session, text, call, false);
}

void incoming_refuse(struct session *session, struct slice text)
{
    incoming_keep(session, text, NULL, true);
}

size_t incoming_bytes(const struct session *session)
{
    return session->incoming ? session->incoming->text.length : 0;
}

void incoming_drop(struct session *session)
{
    struct incoming *incoming = session->incoming;
    if (!incoming)
        return;
    take_out(incoming);
    incoming_free(incoming);
}

void incoming_finish(struct session *session)
{
    struct incoming *incoming = session->incoming;
    if (!incoming)
        return;
    struct incoming_queue *queue = session->worker->incoming;
    if (!is_first(incoming)) { /* who was first begins anew */
        json_parsing_free(&queue->parsing);
        queue->parsed = JSON_PARSED_MORE;
        TAILQ_REMOVE(&queue->waiting, incoming, queue);
        TAILQ_INSERT_HEAD(&queue->waiting, incoming, queue);
    }
    while (!is_read(queue))
        incoming_read(queue, UINT64_MAX);
    incoming_hand_over(queue);
}
