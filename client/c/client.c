#include "client/c/client.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/close_code.h"

/* Waits for the socket; sends what is queued as it goes. 1 something may be there, 0 time or a signal. */
static int wait_for_input(struct client *client, uint64_t deadline)
{
    for (;;) {
        bool sent = ws_client_flush(&client->ws);
        int timeout = -1;
        if (deadline) {
            uint64_t now = clock_monotonic_ms();
            timeout = now < deadline ? (int)(deadline - now) : 0;
        }
        struct pollfd wait = {.fd = client->ws.fd, .events = (short)(POLLIN | (sent ? 0 : POLLOUT))};
        int ready = poll(&wait, 1, timeout);
        if (ready <= 0)
            return 0;
        if (wait.revents & ~POLLOUT)
            return 1;
    }
}

/* The next event of the connection, WS_AGAIN when the time is up. */
static enum ws_event next_event(struct client *client, struct slice *text, uint64_t deadline)
{
    for (;;) {
        if (client->ws.state == WS_STATE_OVER)
            return WS_CLOSED;
        if (client->reading) {
            enum ws_event event = ws_client_next(&client->ws, text);
            if (event != WS_AGAIN)
                return event;
            client->reading = false;
        }
        if (!wait_for_input(client, deadline))
            return WS_AGAIN;
        client->reading = ws_client_read(&client->ws);
    }
}

static uint64_t deadline_of(int timeout_ms)
{
    return timeout_ms < 0 ? 0 : clock_monotonic_ms() + (uint64_t)timeout_ms;
}

bool client_open(struct client *client, const struct ws_target *target, const char *token, int timeout_ms)
{
    *client = (struct client){0};
    if (ws_client_open(&client->ws, target, token, 0, &client->input)) {
        struct slice text;
        enum ws_event event = next_event(client, &text, deadline_of(timeout_ms));
        if (event == WS_OPENED)
            return true;
        if (event == WS_AGAIN) {
            snprintf(client->message, sizeof client->message, "no answer to the handshake");
            return false;
        }
    }
    snprintf(client->message, sizeof client->message, "%s", client->ws.error);
    return false;
}

uint64_t client_send(struct client *client, const char *collection, const char *method, struct slice data)
{
    struct buffer *call = &client->call;
    buffer_clear(call);
    buffer_append_format(call, "{\"tid\":%llu,\"collectionName\":", (unsigned long long)++client->tid);
    json_append_string(call, slice_text(collection));
    buffer_append_text(call, ",\"methodName\":");
    json_append_string(call, slice_text(method));
    buffer_append_text(call, ",\"data\":");
    buffer_append_slice(call, data);
    buffer_append_byte(call, '}');
    ws_client_send(&client->ws, buffer_slice(call));
    return client->tid;
}

/* The server could not tell which call it answers: that one gets no other answer. */
static enum client_event could_not_be_read(struct client *client, struct client_reply *reply)
{
    char why[sizeof client->message];
    reply->data = json_member(reply->data, SLICE("data"));
    client_explain(client, reply);
    memcpy(why, client->message, sizeof why);
    snprintf(client->message, sizeof client->message, "the server could not read a call: %.250s", why);
    return CLIENT_FAILED;
}

/* Sorts a message: the end of one of our calls, or anything else. */
static enum client_event understand_message(struct client *client, struct slice text,
                                            struct client_reply *reply)
{
    *reply = (struct client_reply){.text = text};
    if (!json_parse_answer(&client->json, text.data, text.length)) {
        snprintf(client->message, sizeof client->message, "the server sent a message that is not JSON: %s",
                 client->json.error);
        return CLIENT_FAILED;
    }
    reply->root = json_root(&client->json);
    reply->data = json_member(reply->root, SLICE("data"));
    if (!json_string_is(json_member(reply->root, SLICE("operation")), SLICE("fulfill")) ||
        !json_string_is(json_member(reply->root, SLICE("collectionName")), SLICE("transaction")))
        return CLIENT_OTHER;
    struct json_value data = reply->data, id = json_member(data, SLICE("tid"));
    int64_t tid = 0;
    if (json_type(id) == JSON_NULL)
        return could_not_be_read(client, reply);
    if (!json_integer(id, &tid))
        return CLIENT_OTHER;
    reply->tid = (uint64_t)tid;
    if (!json_boolean(json_member(data, SLICE("success")), &reply->success))
        reply->success = false;
    reply->data = json_member(data, SLICE("data"));
    return CLIENT_REPLY;
}

enum client_event client_next(struct client *client, struct client_reply *reply, int timeout_ms)
{
    struct slice text = {0};
    switch (next_event(client, &text, deadline_of(timeout_ms))) {
    case WS_AGAIN:
        return CLIENT_TIMEOUT;
    case WS_MESSAGE:
        return understand_message(client, text, reply);
    case WS_OPENED:
    case WS_CLOSED:
        break;
    }
    snprintf(client->message, sizeof client->message, "%s",
             client->ws.error ? client->ws.error : "the connection is over");
    return CLIENT_FAILED;
}

void client_explain(struct client *client, const struct client_reply *reply)
{
    buffer_clear(&client->scratch);
    struct slice text = json_string(json_member(reply->data, SLICE("message")), &client->scratch);
    if (!text.data || text.length == 0)
        text = json_string(json_member(reply->data, SLICE("code")), &client->scratch);
    if (!text.data)
        text = SLICE("the server refused without a reason");
    snprintf(client->message, sizeof client->message, "%.*s", (int)(text.length < 290 ? text.length : 290),
             text.data);
}

bool client_call(struct client *client, const char *collection, const char *method, struct slice data,
                 struct client_reply *reply, int timeout_ms)
{
    uint64_t tid = client_send(client, collection, method, data);
    uint64_t end = deadline_of(timeout_ms);
    for (;;) {
        uint64_t now = clock_monotonic_ms();
        int left = timeout_ms < 0 ? -1 : (int)(now < end ? end - now : 0);
        switch (client_next(client, reply, left)) {
        case CLIENT_REPLY:
            if (reply->tid != tid)
                break;
            if (!reply->success)
                client_explain(client, reply);
            return reply->success;
        case CLIENT_OTHER:
            break;
        case CLIENT_TIMEOUT:
            snprintf(client->message, sizeof client->message, "no answer to %s.%s within %d s", collection,
                     method, timeout_ms / 1000);
            return false;
        case CLIENT_FAILED:
            return false;
        }
    }
}

void client_close(struct client *client)
{
    if (client->ws.state == WS_STATE_OPEN) {
        ws_client_send_close(&client->ws, CLOSE_NORMAL);
        ws_client_flush(&client->ws);
    }
    ws_client_free(&client->ws);
    ws_input_free(&client->input);
    json_free(&client->json);
    buffer_free(&client->scratch);
    buffer_free(&client->call);
}
