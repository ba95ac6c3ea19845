#include "worker/rpc/call_admission.h"

#include "worker/base/job.h"
#include "worker/net/connection.h"
#include "worker/net/connection_hold.h"
#include "worker/net/connection_write.h"
#include "worker/net/network.h"

static bool holds_much(const struct session *session)
{
    return session->held > session->worker->config->limits.open_calls_bytes;
}

static void wake_jobs(struct session *session)
{
    struct transaction *transaction;
    session->jobs_wait = false;
    TAILQ_FOREACH (transaction, &session->calls, of_session)
        if (transaction->job)
            job_wake(session->worker->jobs, transaction->job);
}

void call_admission_review(struct session *session)
{
    const struct config_limits *limits = &session->worker->config->limits;
    bool waits = session->large_message || session->open_calls >= limits->calls_in_flight ||
                 holds_much(session) || !connection_is_read(session->connection);
    connection_hold(session->connection, waits);
}

void call_admission_enter(struct session *session, struct transaction *transaction, size_t bytes)
{
    TAILQ_INSERT_TAIL(&session->calls, transaction, of_session);
    session->open_calls++;
    transaction->came_with = bytes;
    transaction_hold(transaction, 0);
}

void call_admission_leave(struct transaction *transaction)
{
    struct session *session = transaction->session;
    TAILQ_REMOVE(&session->calls, transaction, of_session);
    session->open_calls--;
    session->held -= transaction->held;
    if (session->jobs_wait)
        wake_jobs(session);
    if (!session->login.account)
        connection_log_in_ended(session->connection);
    call_admission_review(session);
}

bool call_admission_has_room(const struct worker *worker)
{
    return worker->held + network_waiting_bytes(worker->network) < worker->config->limits.worker_calls_bytes;
}

/* The first one with a job makes progress, so that memory comes to be free. */
bool call_admission_may_work(const struct transaction *transaction)
{
    struct session *session = transaction->session;
    const struct transaction *first;
    if (!holds_much(session))
        return true;
    TAILQ_FOREACH (first, &session->calls, of_session)
        if (first->job || first == transaction)
            break;
    session->jobs_wait |= first != transaction;
    return first == transaction;
}
