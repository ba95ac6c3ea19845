#include "client/c/session.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/close_code.h"

/* Waits for the socket; sends what is queued as it goes. 1 something may be there, 0 time or a signal. */
static int wait_for_input(struct session *session, uint64_t deadline)
{
    for (;;) {
        bool sent = ws_client_flush(&session->ws);
        int timeout = -1;
        if (deadline) {
            uint64_t now = clock_monotonic_ms();
            timeout = now < deadline ? (int)(deadline - now) : 0;
        }
        struct pollfd wait = {.fd = session->ws.fd, .events = (short)(POLLIN | (sent ? 0 : POLLOUT))};
        int ready = poll(&wait, 1, timeout);
        if (ready <= 0)
            return 0;
        if (wait.revents & ~POLLOUT)
            return 1;
    }
}

/* The next event of the connection, WS_AGAIN when the time is up. */
static enum ws_event next_event(struct session *session, struct slice *text, uint64_t deadline)
{
    for (;;) {
        if (session->ws.state == WS_STATE_OVER)
            return WS_CLOSED;
        if (session->reading) {
            enum ws_event event = ws_client_next(&session->ws, text);
            if (event != WS_AGAIN)
                return event;
            session->reading = false;
        }
        if (!wait_for_input(session, deadline))
            return WS_AGAIN;
        session->reading = ws_client_read(&session->ws);
    }
}

static uint64_t deadline_of(int timeout_ms)
{
    return timeout_ms < 0 ? 0 : clock_monotonic_ms() + (uint64_t)timeout_ms;
}

bool session_open(struct session *session, const struct ws_target *target, const char *token, int timeout_ms)
{
    *session = (struct session){0};
    if (ws_client_open(&session->ws, target, token, 0, &session->input)) {
        struct slice text;
        enum ws_event event = next_event(session, &text, deadline_of(timeout_ms));
        if (event == WS_OPENED)
            return true;
        if (event == WS_AGAIN) {
            snprintf(session->message, sizeof session->message, "no answer to the handshake");
            return false;
        }
    }
    snprintf(session->message, sizeof session->message, "%s", session->ws.error);
    return false;
}

uint64_t session_send(struct session *session, const char *collection, const char *method, struct slice data)
{
    struct buffer *call = &session->call;
    buffer_clear(call);
    buffer_append_format(call, "{\"tid\":%llu,\"collectionName\":", (unsigned long long)++session->tid);
    json_append_string(call, slice_text(collection));
    buffer_append_text(call, ",\"methodName\":");
    json_append_string(call, slice_text(method));
    buffer_append_text(call, ",\"data\":");
    buffer_append_slice(call, data);
    buffer_append_byte(call, '}');
    ws_client_send(&session->ws, buffer_slice(call));
    return session->tid;
}

/* Sorts a message: the end of one of our calls, or anything else. */
static enum session_event understand(struct session *session, struct slice text, struct session_reply *reply)
{
    *reply = (struct session_reply){.text = text};
    if (!json_parse(&session->json, text.data, text.length)) {
        snprintf(session->message, sizeof session->message, "the server sent a message that is not JSON: %s",
                 session->json.error);
        return SESSION_FAILED;
    }
    reply->root = json_root(&session->json);
    reply->data = json_member(reply->root, SLICE("data"));
    if (!json_string_is(json_member(reply->root, SLICE("operation")), SLICE("fulfill")) ||
        !json_string_is(json_member(reply->root, SLICE("collectionName")), SLICE("transaction")))
        return SESSION_OTHER;
    struct json_value data = reply->data;
    int64_t tid = 0;
    if (!json_integer(json_member(data, SLICE("tid")), &tid))
        return SESSION_OTHER;
    reply->tid = (uint64_t)tid;
    if (!json_boolean(json_member(data, SLICE("success")), &reply->success))
        reply->success = false;
    reply->data = json_member(data, SLICE("data"));
    return SESSION_REPLY;
}

enum session_event session_next(struct session *session, struct session_reply *reply, int timeout_ms)
{
    struct slice text = {0};
    switch (next_event(session, &text, deadline_of(timeout_ms))) {
    case WS_AGAIN:
        return SESSION_TIMEOUT;
    case WS_MESSAGE:
        return understand(session, text, reply);
    case WS_OPENED:
    case WS_CLOSED:
        break;
    }
    snprintf(session->message, sizeof session->message, "%s",
             session->ws.error ? session->ws.error : "the connection is over");
    return SESSION_FAILED;
}

void session_explain(struct session *session, const struct session_reply *reply)
{
    buffer_clear(&session->scratch);
    struct slice text = json_string(json_member(reply->data, SLICE("message")), &session->scratch);
    if (!text.data || text.length == 0)
        text = json_string(json_member(reply->data, SLICE("code")), &session->scratch);
    if (!text.data)
        text = SLICE("the server refused without a reason");
    snprintf(session->message, sizeof session->message, "%.*s", (int)(text.length < 290 ? text.length : 290),
             text.data);
}

bool session_call(struct session *session, const char *collection, const char *method, struct slice data,
                  struct session_reply *reply, int timeout_ms)
{
    uint64_t tid = session_send(session, collection, method, data);
    uint64_t end = deadline_of(timeout_ms);
    for (;;) {
        uint64_t now = clock_monotonic_ms();
        int left = timeout_ms < 0 ? -1 : (int)(now < end ? end - now : 0);
        switch (session_next(session, reply, left)) {
        case SESSION_REPLY:
            if (reply->tid != tid)
                break;
            if (!reply->success)
                session_explain(session, reply);
            return reply->success;
        case SESSION_OTHER:
            break;
        case SESSION_TIMEOUT:
            snprintf(session->message, sizeof session->message, "no answer to %s.%s within %d s", collection,
                     method, timeout_ms / 1000);
            return false;
        case SESSION_FAILED:
            return false;
        }
    }
}

void session_close(struct session *session)
{
    if (session->ws.state == WS_STATE_OPEN) {
        ws_client_send_close(&session->ws, CLOSE_NORMAL);
        ws_client_flush(&session->ws);
    }
    ws_client_free(&session->ws);
    ws_input_free(&session->input);
    json_free(&session->json);
    buffer_free(&session->scratch);
    buffer_free(&session->call);
}
