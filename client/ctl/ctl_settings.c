#include <getopt.h>
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

static int set_setting(const struct ctl *ctl, const char *key, const char *value)
{
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

static int run_settings(const struct ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {{0}};
    if (getopt_long(argc, argv, "+", options, NULL) != -1) /* a value may begin with a dash */
        return ctl_usage(&command_settings);
    char **words = argv + optind;
    int count = argc - optind;
    if (count == 0)
        return call_settings(ctl, "download", SLICE("null"), true);
    if (count == 3 && strcmp(words[0], "set") == 0)
        return set_setting(ctl, words[1], words[2]);
    return ctl_usage(&command_settings);
}

const struct ctl_command command_settings = {
    .name = "settings",
    .usage = "[set KEY VALUE]",
    .help = "prints the settings, or sets one to JSON or a plain word; null sets it to its default again",
    .run = run_settings,
};
