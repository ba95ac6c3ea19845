#include <signal.h>
#include <sys/socket.h>

#include "client/ctl/ctl.h"

static volatile sig_atomic_t interrupted;
static int connection = -1;

/* Ends the reading side, so that a wait which begins just now ends as well. */
static void tail_on_signal(int number)
{
    (void)number;
    interrupted = 1;
    shutdown(connection, SHUT_RD);
}

static void compose_subscription(struct buffer *data, char *const *names, size_t count)
{
    buffer_append_text(data, "{\"collections\":");
    for (size_t i = 0; i < count; i++) {
        buffer_append_byte(data, i == 0 ? '[' : ',');
        json_append_string(data, slice_text(names[i]));
    }
    buffer_append_text(data, count > 0 ? "]}" : "null}");
}

static bool is_of_interest(const struct client_reply *reply)
{
    return !json_string_is(json_member(reply->root, SLICE("operation")), SLICE("ping")) &&
           !json_string_is(json_member(reply->root, SLICE("collectionName")), SLICE("transaction"));
}

static int follow_changes(const struct ctl *ctl, struct client *client, uint64_t subscribed)
{
    for (;;) {
        struct client_reply reply;
        switch (client_next(client, &reply, -1)) {
        case CLIENT_REPLY:
            if (reply.tid == subscribed && !reply.success) {
                client_explain(client, &reply);
                return ctl_fail("%s", client->message);
            }
            break;
        case CLIENT_OTHER:
            if (!is_of_interest(&reply))
                break;
            ctl_print(reply.text);
            ctl_print(SLICE("\n"));
            ctl_flush();
            break;
        case CLIENT_TIMEOUT: /* a signal, and not one of ours */
            break;
        case CLIENT_FAILED:
            return interrupted ? 0 : ctl_call_failed(ctl, client);
        }
    }
}

static int run_tail(const struct ctl *ctl, const struct words *words)
{
    struct client client;
    int status = 1;
    for (size_t i = 0; i < words->operand_count; i++)
        if (!ctl_name(words->operands[i]))
            return 1;
    if (ctl_connect(ctl, &client)) {
        connection = client.ws.fd;
        struct sigaction action = {.sa_handler = tail_on_signal};
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        struct buffer data = {0};
        compose_subscription(&data, words->operands, words->operand_count);
        status = follow_changes(ctl, &client,
                                client_send(&client, "dispatcher", "subscribe", buffer_slice(&data)));
        buffer_free(&data);
    }
    client_close(&client);
    return status;
}

const struct ctl_command command_tail = {
    .name = "tail",
    .operands = "[COLLECTION]...",
    .help = "prints every change as it happens, one JSON message a line",
    .run = run_tail,
};
