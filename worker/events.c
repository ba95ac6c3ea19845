#include "worker/events.h"

#include "worker/history/former_rights.h"
#include "worker/intake/ring_intake.h"
#include "worker/net/connection_close.h"
#include "worker/net/network.h"
#include "worker/rpc/call.h"
#include "worker/rpc/http_call.h"
#include "worker/rpc/large_messages.h"
#include "worker/rpc/open_calls.h"
#include "worker/session/catch_up.h"
#include "worker/session/listening.h"
#include "worker/session/rights_change.h"
#include "worker/session/tokens.h"
#include "worker/stopping.h"

/* ---- of the network ---- */

static void connection_opened(void *context, struct connection *connection, const struct handshake *handshake)
{
    struct worker *worker = context;
    struct session *session = session_create(worker, connection);
    if (connection->kind == CONNECTION_CONTROL)
        session_authorize(session, account_control(worker->accounts), NULL);
    else if (handshake->token[0])
        token_authorize_handshake(session, slice_text(handshake->token));
    if (worker->stopping)
        stopping_turn_away(connection);
}

static void message_came(void *context, struct connection *connection, struct slice text, bool binary)
{
    (void)context, (void)binary;
    call_handle(connection->owner, text);
}

static void message_refused(void *context, struct connection *connection, struct slice text)
{
    (void)context;
    call_refuse(connection->owner, text);
}

/* Over HTTP a session lasts as long as its one call and the answer to that. */
static void request_came(void *context, struct connection *connection, const struct http_call *call)
{
    struct worker *worker = context;
    struct session *session = session_create(worker, connection);
    if (worker->stopping)
        connection_close(connection, 0, NULL); /* after the answer */
    http_call_handle(session, call);
}

static void connection_ended(void *context, struct connection *connection)
{
    (void)context;
    large_messages_drop(connection->owner);
    open_calls_leave(connection->owner);
    session_free(connection->owner);
}

static bool connection_is_owed(void *context, const struct connection *connection)
{
    const struct session *session = connection->owner;
    (void)context;
    return open_calls_owe(session) || session->large_message;
}

static void connection_drained(void *context, struct connection *connection)
{
    (void)context;
    open_calls_drained(connection->owner);
    listening_drained(connection->owner);
}

static void connection_wants_more(void *context, struct connection *connection)
{
    struct worker *worker = context;
    struct session *session = connection->owner;
    if (session->rights_change && output_at_hold(&connection->output, worker->backlog))
        rights_change_step(session);
    else
        catch_up_refill(worker, connection);
}

/* No call runs with rights that are not current, no answer of the committer's comes before its changes. */
static bool events_may_read(void *context)
{
    return ring_intake_keeps_up(context);
}

/* While rights are not known nothing goes out: what comes after their change may not be for who gets it. */
static bool may_write(void *context)
{
    const struct worker *worker = context;
    return authority_is_current(worker->authority);
}

static bool events_may_log_in(void *context, const struct connection *connection)
{
    const struct session *session = connection->owner;
    (void)context;
    return session->open_calls > 0 || session->large_message;
}

static size_t bytes_kept(void *context, const struct connection *connection)
{
    (void)context;
    return large_messages_bytes(connection->owner);
}

static bool knows_token(void *context, struct slice token)
{
    return token_is_known(context, token);
}

const struct network_events events_of_network = {
    .ready = events_may_read,
    .may_write = may_write,
    .logs_in = events_may_log_in,
    .keeps = bytes_kept,
    .knows = knows_token,
    .opened = connection_opened,
    .message = message_came,
    .closed = connection_ended,
    .refill = connection_wants_more,
    .owes = connection_is_owed,
    .drained = connection_drained,
    .refused = message_refused,
    .request = request_came,
    .finished = connection_ended,
};

/* ---- of the authority ---- */

static void rights_changed(struct login *login, bool blinked, struct slice document)
{
    session_rights_changed(session_of_login(login), blinked, document);
}

static void login_ended(struct login *login, const char *reason)
{
    session_deauthorize(session_of_login(login), reason);
}

static void rights_unreadable(struct login *login)
{
    session_cut(session_of_login(login), "your rights cannot be read");
}

const struct authority_events events_of_authority = {
    .changed = rights_changed,
    .ended = login_ended,
    .unreadable = rights_unreadable,
    .have_blinked = former_rights_have_blinked,
};

/* ---- of the committer's link ---- */

/* Results come after their changes: what these make for clients (an `amend`) goes out before. */
bool events_link_may_read(struct worker *worker)
{
    return ring_intake_keeps_up(worker);
}
