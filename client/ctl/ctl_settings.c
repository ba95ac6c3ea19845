#include <string.h>

#include "client/ctl/ctl.h"

/* A line for each setting, with its value as JSON. */
static void print_settings(struct json_value settings)
{
    struct buffer line = {0};
    struct json_iterator each = json_begin(settings);
    while (json_step(&each)) {
        struct buffer scratch = {0};
        buffer_clear(&line);
        buffer_append_slice(&line, json_string(each.key, &scratch));
        buffer_append_byte(&line, ' ');
        json_append_compact(&line, each.value);
        buffer_append_byte(&line, '\n');
        ctl_print(buffer_slice(&line));
        buffer_free(&scratch);
    }
    buffer_free(&line);
}

/* {KEY:VALUE}; what is not JSON is the characters of a string. */
static void compose_setting(struct buffer *data, const char *key, const char *value)
{
    struct json json = {0};
    buffer_append_byte(data, '{');
    json_append_string(data, slice_text(key));
    buffer_append_byte(data, ':');
    if (json_parse(&json, value, strlen(value)))
        json_append_compact(data, json_root(&json));
    else
        json_append_string(data, slice_text(value));
    buffer_append_byte(data, '}');
    json_free(&json);
}

static int call_settings(const struct ctl *ctl, const char *method, struct slice data, bool show)
{
    struct client client;
    struct client_reply reply;
    int status = 1;
    if (ctl_connect_quiet(ctl, &client)) {
        bool done = client_call(&client, "settings", method, data, &reply, CTL_TIMEOUT_MS);
        status = done ? 0 : ctl_call_failed(ctl, &client);
        if (done && show)
            print_settings(reply.data);
    }
    client_close(&client);
    return status;
}

static int set_setting(const struct ctl *ctl, const struct words *words)
{
    const char *key = words->operands[0], *value = words->operands[1];
    struct buffer data = {0};
    int status;
    if (json_utf8_valid(key, strlen(key)) && json_utf8_valid(value, strlen(value))) {
        compose_setting(&data, key, value);
        status = call_settings(ctl, "set", buffer_slice(&data), false);
    } else {
        status = ctl_fail("the setting is not UTF-8");
    }
    buffer_free(&data);
    return status;
}

static int show_settings(const struct ctl *ctl, const struct words *words)
{
    (void)words;
    return call_settings(ctl, "download", SLICE("null"), true);
}

const struct ctl_command command_settings = {
    .name = "settings",
    .operands = "",
    .help = "prints the settings that are the same for all",
    .run = show_settings,
};

const struct ctl_command command_settings_set = {
    .name = "settings set",
    .operands = "KEY VALUE",
    .takes_dashes = true,
    .help = "sets one to JSON or plain characters; null sets it to its default again",
    .run = set_setting,
};
