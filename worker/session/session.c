#include "worker/session/session.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/container_of.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/ipc/change_frame.h"
#include "worker/net/connection.h"
#include "worker/net/connection_address.h"
#include "worker/net/connection_close.h"
#include "worker/net/connection_pings.h"
#include "worker/net/connection_write.h"
#include "worker/session/listening.h"
#include "worker/session/rights_change.h"

enum { BAD_MESSAGES_MOST = 10, BAD_MESSAGES_S = 60 };

struct slice session_user(const struct session *session)
{
    return session->login.account
               ? slice_of(session->login.account->user, session->login.account->user_length)
               : (struct slice){0};
}

bool session_may(const struct session *session, unsigned permission)
{
    return session->login.account && permission_has(&session->login.account->rights.permissions, permission);
}

const char *session_address(const struct session *session, char text[64])
{
    return connection_address(session->connection, text);
}

void session_network(const struct session *session, char network[CONNECTION_NETWORK])
{
    connection_network(session->connection, network);
}

void session_ping_is_due(struct session *session)
{
    connection_ping_is_due(session->connection);
}

static void compose_operation(struct buffer *message, const char *operation, const char *collection,
                              struct slice data)
{
    buffer_append_format(message, "{\"operation\":\"%s\",\"collectionName\":", operation);
    if (collection)
        json_append_string(message, slice_text(collection));
    else
        buffer_append_slice(message, SLICE("null"));
    buffer_append_slice(message, SLICE(",\"data\":"));
    buffer_append_slice(message, data);
    buffer_append_byte(message, '}');
}

void session_send(struct session *session, const char *operation, const char *collection, struct slice data)
{
    struct buffer message = {0};
    compose_operation(&message, operation, collection, data);
    connection_send(session->connection, buffer_slice(&message), 0);
    buffer_free(&message);
}

static bool session_sees(const struct session *session, const struct rights *rights,
                         const struct config_collection *collection)
{
    if (collection->index == COLLECTION_SETTINGS) /* everybody, whatever else they want */
        return true;
    return !collection->internal && (!session->subscribed || session->subscribed[collection->index]) &&
           permission_covers(&rights->permissions, &collection->sight);
}

struct viewer *session_viewer(const struct session *session, const struct rights *rights)
{
    const struct worker *worker = session->worker;
    struct viewer_rights viewer = {
        .everything = rights->administrator,
        .user = session_user(session),
        .groups = rights->groups,
        .group_count = rights->group_count,
    };
    for (size_t i = 0; i < worker->config->collection_count; i++)
        viewer.collections[i] = session_sees(session, rights, &worker->config->collections[i]);
    return viewer_get(worker->viewers, &viewer);
}

/* From here on it sees that, and nobody looks at what its client may hold. */
static void review_viewer(struct session *session)
{
    struct output *output = &session->connection->output;
    struct viewer *before = output->viewer;
    output->viewer = session->login.account ? session_viewer(session, &session->login.account->rights) : NULL;
    if (before)
        viewer_put(session->worker->viewers, before);
}

/* The connection closes, or is there for one call over HTTP. Nobody brings a copy in line any more, so when
 * another view begins, the client gets only what came before, and nothing that says that it has more. */
static void review_ending(struct session *session)
{
    struct output *output = &session->connection->output;
    const struct viewer *before = output->viewer;
    review_viewer(session);
    if (session->connection->state == CONNECTION_CLOSING && output->viewer != before &&
        output->hold_seq == OUTPUT_NO_HOLD)
        output_hold(output, session->worker->backlog);
}

void session_subscribe(struct session *session, bool *collections)
{
    free(session->subscribed);
    session->subscribed = collections;
    if (session->rights_change)
        rights_change_subscribed(session, session_viewer(session, &session->login.account->rights));
    else
        review_viewer(session);
}

void session_rights_changed(struct session *session, bool blinked, struct slice document)
{
    struct worker *worker = session->worker;
    listening_review(session);
    if (session->connection->state != CONNECTION_OPEN) {
        review_ending(session);
        return;
    }
    struct viewer *now = session_viewer(session, &session->login.account->rights);
    if (now == session->connection->output.viewer) {
        viewer_put(worker->viewers, now);
        struct buffer message = {0};
        compose_operation(&message, "amend", "users", document);
        connection_send(session->connection, buffer_slice(&message), backlog_last_seq(worker->backlog));
        buffer_free(&message);
        if (blinked) /* nobody knows what was for these rights, and what for those in between */
            session_resync(session, "Your rights have changed", store_seq(worker->store));
        return;
    }
    struct buffer message = {0}, frame = {0};
    compose_operation(&message, "amend", "users", document);
    change_frame_text(&frame, buffer_slice(&message));
    rights_change_begin(session, now, buffer_slice(&frame));
    buffer_free(&message);
    buffer_free(&frame);
}

/* Somebody else (or nobody) sees: what is not out yet was for who it was before, and came before these rights
 * were read. */
static void begin_anew(struct session *session)
{
    struct worker *worker = session->worker;
    if (session->connection->state != CONNECTION_OPEN) {
        review_ending(session);
        return;
    }
    review_viewer(session);
    output_pass_over(&session->connection->output, worker->backlog,
                     worker->snapshot ? store_seq(worker->store) : 0);
    connection_queue(session->connection);
}

static void session_take_token(struct session *session, const uint8_t *hash)
{
    struct authority *authority = session->worker->authority;
    if (session->login.has_token)
        authority_forget_token(authority, &session->login);
    session->login.has_token = hash != NULL;
    if (!hash)
        return;
    memcpy(session->login.token_hash, hash, TOKEN_HASH_BYTES);
    authority_watch_token(authority, &session->login);
}

/* An answer is queued that says that the copy is complete up to a change that is not out yet. */
static bool claims_more(const struct session *session)
{
    return session->position_seq > output_sent_seq(&session->connection->output, session->worker->backlog);
}

void session_authorize(struct session *session, struct account *account, const uint8_t *hash)
{
    if (session->login.account == account) { /* the same again, whose copy is kept right all the while */
        account_put(session->worker->accounts, account);
        session_take_token(session, hash);
        return;
    }
    bool claims =
        session->login.account && session->connection->state == CONNECTION_OPEN && claims_more(session);
    if (session->login.account)
        session_deauthorize(session, NULL);
    session->account_changes++;
    account_enter(account, &session->login);
    session_take_token(session, hash);
    atomic_fetch_add_explicit(&session->worker->score->authorized, 1, memory_order_relaxed);
    begin_anew(session);
    connection_authorized(session->connection, true);
    if (claims) /* for the copy of who was there before, and what was before it is not sent any more */
        connection_cut(session->connection, CLOSE_TRY_AGAIN, "somebody else has logged in");
}

void session_deauthorize(struct session *session, const char *reason)
{
    struct account *account = session->login.account;
    if (!account)
        return;
    bool claims = session->connection->state == CONNECTION_OPEN && claims_more(session);
    listening_end_all(session);
    session_take_token(session, NULL);
    account_leave(&session->login);
    session->account_changes++;
    atomic_fetch_sub_explicit(&session->worker->score->authorized, 1, memory_order_relaxed);
    account_put(session->worker->accounts, account);
    rights_change_end(session);
    begin_anew(session);
    if (!reason)
        return;
    if (claims) { /* as in session_resync(): what was before it is not sent any more */
        connection_cut(session->connection, CLOSE_TRY_AGAIN, reason);
        return;
    }
    struct buffer data = {0};
    buffer_append_slice(&data, SLICE("{\"reason\":"));
    json_append_string(&data, slice_text(reason));
    buffer_append_byte(&data, '}');
    session_send(session, "deauthorize", "users", buffer_slice(&data));
    buffer_free(&data);
    connection_authorized(session->connection, false);
}

void session_resync(struct session *session, const char *reason, uint64_t seq)
{
    struct connection *connection = session->connection;
    const struct backlog *backlog = session->worker->backlog;
    rights_change_end(session);
    if (claims_more(session)) {
        connection_cut(connection, CLOSE_TRY_AGAIN, reason);
        return;
    }
    uint64_t waits = output_reply_seq(&connection->output);
    if (seq < waits)
        seq = waits;
    if (seq < backlog_last_seq(backlog))
        seq = backlog_last_seq(backlog);
    output_pass_over(&connection->output, backlog, seq);
    connection_queue(connection);
    if (!session->login.account)
        return;
    struct buffer message = {0}, data = {0};
    buffer_append_slice(&data, SLICE("{\"reason\":"));
    json_append_string(&data, slice_text(reason));
    buffer_append_byte(&data, '}');
    compose_operation(&message, "resync", NULL, buffer_slice(&data));
    connection_send(connection, buffer_slice(&message), seq);
    buffer_free(&message);
    buffer_free(&data);
}

/* What is queued stays behind: it may claim that nothing is missing before it. */
void session_cut(struct session *session, const char *reason)
{
    session_deauthorize(session, NULL);
    connection_cut(session->connection, CLOSE_INTERNAL, reason);
}

void session_bad_message(struct session *session, struct slice text)
{
    struct buffer message = {0};
    buffer_append_slice(&message,
                        SLICE("{\"operation\":\"fulfill\",\"collectionName\":\"transaction\",\"data\":{"
                              "\"tid\":null,\"success\":false,\"data\":{\"warning\":true,"
                              "\"code\":\"bad_message\",\"message\":"));
    json_append_string(&message, text);
    buffer_append_slice(&message, SLICE("}}}"));
    connection_answer(session->connection, buffer_slice(&message), 0);
    buffer_free(&message);
    uint32_t now_s = (uint32_t)(clock_monotonic_ms() / 1000);
    if (now_s - session->bad_since_s >= BAD_MESSAGES_S) {
        session->bad_since_s = now_s;
        session->bad_messages = 0;
    }
    if (++session->bad_messages >= BAD_MESSAGES_MOST)
        connection_close(session->connection, CLOSE_POLICY, "too many malformed messages");
}

bool session_strange_call(struct session *session)
{
    struct connection *connection = session->connection;
    uint32_t now_s = (uint32_t)(clock_monotonic_ms() / 1000);
    if (now_s - connection->strange_since_s >= BAD_MESSAGES_S) {
        connection->strange_since_s = now_s;
        connection->strange_calls = 0;
    }
    if (connection->strange_calls++ < session->worker->config->limits.stranger_calls)
        return true;
    connection_close(connection, CLOSE_POLICY, "too many calls before a log-in");
    return false;
}

struct session *session_create(struct worker *worker, struct connection *connection)
{
    struct session *session = memory_zeroed(1, sizeof *session);
    session->worker = worker;
    session->connection = connection;
    TAILQ_INIT(&session->calls);
    connection->owner = session;
    return session;
}

void session_free(struct session *session)
{
    if (session->login.account)
        session_deauthorize(session, NULL);
    session->connection->owner = NULL;
    free(session->subscribed);
    free(session);
}

struct session *session_of_login(struct login *login)
{
    return CONTAINER_OF(login, struct session, login);
}
