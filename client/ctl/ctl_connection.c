#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/c/control_line.h"
#include "client/ctl/ctl.h"
#include "shared/base/default_paths.h"
#include "shared/config/config.h"

bool ctl_find_control(struct ctl *ctl, const struct words *words, char **allocated)
{
    char message[CONFIG_MESSAGE];
    const char *file = words_value(words, WORDS_CONFIG), *named = getenv(CTL_ENVIRONMENT);
    ctl->control = words_value(words, WORDS_CONTROL);
    if (!ctl->control && file) {
        ctl->control = *allocated = config_read_control(file, message);
        if (!*allocated)
            ctl_fail("%s", message);
    } else if (!ctl->control) {
        ctl->control = named && *named ? named : DEFAULT_CONTROL;
    }
    return ctl->control;
}

/* Behind the reason why nobody answers: where else to look, if there is no such socket. */
static const char *other_sockets(const struct ctl *ctl)
{
    return access(ctl->control, F_OK) == 0
               ? ""
               : "; another socket is named by --control PATH, --config FILE or " CTL_ENVIRONMENT;
}

bool ctl_connect(const struct ctl *ctl, struct client *client)
{
    struct ws_target target;
    char message[WS_TARGET_MESSAGE];
    *client = (struct client){0};
    if (!ws_target_control(&target, ctl->control, message)) {
        ctl_fail("%s", message);
        return false;
    }
    if (!client_open(client, &target, NULL, CTL_TIMEOUT_MS)) {
        ctl_call_failed(ctl, client);
        return false;
    }
    return true;
}

bool ctl_connect_quiet(const struct ctl *ctl, struct client *client)
{
    struct client_reply reply;
    if (!ctl_connect(ctl, client))
        return false;
    if (client_call(client, "dispatcher", "subscribe", SLICE("{\"collections\":[]}"), &reply, CTL_TIMEOUT_MS))
        return true;
    ctl_call_failed(ctl, client);
    return false;
}

int ctl_call_failed(const struct ctl *ctl, const struct client *client)
{
    if (client->ws.state == WS_STATE_OVER || client->ws.state == WS_STATE_HANDSHAKE)
        return ctl_fail("dispatchd does not answer at %s: %s%s", ctl->control, client->message,
                        other_sockets(ctl));
    return ctl_fail("%s", client->message);
}

int ctl_ask(const struct ctl *ctl, const char *line, struct buffer *answer)
{
    char message[CONTROL_LINE_MESSAGE];
    int fd = control_line_ask(ctl->control, line, CTL_TIMEOUT_MS, answer, message);
    if (fd < 0)
        ctl_fail("%s%s", message, other_sockets(ctl));
    return fd;
}

bool ctl_name(const char *name)
{
    if (json_utf8_valid(name, strlen(name)))
        return true;
    ctl_fail("the name is not UTF-8");
    return false;
}

void ctl_append_id(struct buffer *data, const char *key, const char *name)
{
    buffer_append_format(data, "\"%s\":", key);
    json_append_string(data, slice_text(name));
}

void ctl_say_taken_over(struct json_value answer)
{
    struct buffer scratch = {0};
    bool took_over;
    if (json_type(answer) == JSON_OBJECT &&
        json_boolean(json_member(answer, SLICE("took_over")), &took_over) && took_over) {
        struct slice name = json_string(json_member(answer, SLICE("_id")), &scratch);
        printf("%.*s: the name was used before; documents that name it now belong to this one\n",
               (int)name.length, name.data);
    }
    buffer_free(&scratch);
}

int ctl_call(const struct ctl *ctl, const char *collection, const char *method, struct slice data,
             int timeout_ms)
{
    struct client client;
    struct client_reply reply;
    int status = 1;
    if (ctl_connect_quiet(ctl, &client)) {
        bool done = client_call(&client, collection, method, data, &reply, timeout_ms);
        status = done ? 0 : ctl_call_failed(ctl, &client);
        if (done)
            ctl_say_taken_over(reply.data);
    }
    client_close(&client);
    return status;
}
