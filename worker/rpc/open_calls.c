#include "worker/rpc/open_calls.h"

#include "shared/base/memory.h"
#include "worker/base/job.h"
#include "worker/net/connection_address.h"
#include "worker/rpc/call_admission.h"
#include "worker/rpc/method.h"

static void leave_open_calls(struct session *session, struct transaction *transaction)
{
    char address[64];
    struct slice user = session_user(session);
    struct buffer who = {0};
    buffer_append_format(&who, "%.*s (%s)", user.data ? (int)user.length : 1, user.data ? user.data : "-",
                         connection_address(session->connection, address));
    transaction->who = memory_copy(who.data, who.length);
    buffer_free(&who);
    call_admission_leave(transaction);
    transaction->session = NULL;
    if (transaction->job)
        job_wake(session->worker->jobs, transaction->job);
}

void open_calls_leave(struct session *session)
{
    struct transaction *transaction;
    while ((transaction = TAILQ_FIRST(&session->calls)))
        leave_open_calls(session, transaction);
}

void open_calls_abandon(struct session *session)
{
    struct transaction *transaction;
    while ((transaction = TAILQ_FIRST(&session->calls))) {
        transaction_send_failure(transaction, ERROR_TIMEOUT,
                                 SLICE("The server is stopping; it is not known whether the call changed "
                                       "anything; with a key in `once` it is safe to send it again"),
                                 (struct slice){0});
        leave_open_calls(session, transaction);
    }
}

bool open_calls_owe(const struct session *session)
{
    const struct transaction *transaction;
    TAILQ_FOREACH (transaction, &session->calls, of_session)
        if (transaction->method->access != ACCESS_LASTING)
            return true;
    return false;
}

void open_calls_drained(struct session *session)
{
    struct transaction *transaction;
    TAILQ_FOREACH (transaction, &session->calls, of_session)
        if (transaction->job)
            job_wake(session->worker->jobs, transaction->job);
    call_admission_review(session);
}
