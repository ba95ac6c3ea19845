#include "client/bench/setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/bench/bench_document.h"
#include "client/c/input.h"

enum { PASSWORD_BYTES = 1024, REMOVE_AT_ONCE = 1000 };

/* It is in @line, or of the environment. */
static struct slice read_password(const struct bench *bench, char line[PASSWORD_BYTES])
{
    struct slice password;
    const char *given = getenv("DISPATCHBENCH_PASSWORD");
    if (bench->options.password_stdin) {
        if (!fgets(line, PASSWORD_BYTES, stdin))
            bench_fail("no password on the standard input");
        const char *problem = input_password(slice_of(line, strcspn(line, "\n")), &password);
        if (problem)
            bench_fail("%s", problem);
        return password;
    }
    if (!given)
        bench_fail("--login needs --password-stdin or the variable DISPATCHBENCH_PASSWORD");
    return slice_text(given);
}

void setup_log_in(const struct bench *bench, struct slice data, struct buffer *token)
{
    struct client client;
    struct client_reply reply;
    setup_client(bench, &client);
    if (!client_call(&client, "users", "authorize_by_login", data, &reply, SETUP_MS))
        bench_fail("cannot log in: %s", client.message);
    buffer_clear(&client.scratch);
    struct slice given = json_string(json_member(reply.data, SLICE("token")), &client.scratch);
    if (!given.data)
        bench_fail("the server answered the log-in without a token");
    buffer_append_slice(token, given);
    buffer_append_byte(token, 0);
    client_close(&client);
}

static void log_in(struct bench *bench)
{
    char line[PASSWORD_BYTES];
    struct slice password = read_password(bench, line);
    struct buffer *data = &bench->login;
    buffer_append_text(data, "{\"username\":");
    json_append_string(data, slice_text(bench->options.login));
    buffer_append_text(data, ",\"password\":");
    json_append_string(data, password);
    buffer_append_byte(data, '}');
    setup_log_in(bench, buffer_slice(data), &bench->token);
}

void setup_token(struct bench *bench)
{
    if (bench->options.token) {
        buffer_append_text(&bench->token, bench->options.token);
        buffer_append_byte(&bench->token, 0);
    } else if (bench->options.login) {
        log_in(bench);
    }
}

void setup_client(const struct bench *bench, struct client *client)
{
    if (!client_open(client, &bench->target, bench_token(bench), SETUP_MS))
        bench_fail("%s: %s", bench->options.url, client->message);
}

void setup_control_client(const struct bench *bench, struct client *client)
{
    struct ws_target target;
    char message[WS_TARGET_MESSAGE];
    if (!ws_target_control(&target, bench->options.control, message))
        bench_fail("%s", message);
    if (!client_open(client, &target, NULL, SETUP_MS))
        bench_fail("%s: %s", bench->options.control, client->message);
}

void setup_call(struct client *client, const struct bench *bench, const char *method, struct slice data,
                struct client_reply *reply)
{
    if (!client_call(client, bench->options.collection, method, data, reply, SETUP_MS))
        bench_fail("%s.%s: %s", bench->options.collection, method, client->message);
}

void setup_remove(const struct bench *bench, uint64_t from, uint64_t to)
{
    if (bench->options.keep || from >= to)
        return;
    struct client client;
    struct client_reply reply;
    struct buffer data = {0};
    setup_client(bench, &client);
    for (uint64_t i = from; i < to;) {
        buffer_clear(&data);
        buffer_append_text(&data, "{\"_id\":");
        for (unsigned n = 0; n < REMOVE_AT_ONCE && i < to; n++, i++) {
            buffer_append_byte(&data, n == 0 ? '[' : ',');
            bench_document_append_id(&data, bench->run, i);
        }
        buffer_append_text(&data, "]}");
        setup_call(&client, bench, "remove", buffer_slice(&data), &reply);
    }
    client_close(&client);
    buffer_free(&data);
}
