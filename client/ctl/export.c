#include <string.h>

#include "client/ctl/ctl.h"

/* {"query":...,"after":...}; both optional. @after is the text of a JSON string, or absent. */
static void compose_export(struct buffer *data, const char *query, struct slice after)
{
    buffer_clear(data);
    buffer_append_byte(data, '{');
    if (query)
        buffer_append_format(data, "\"query\":%s", query);
    if (after.data) {
        buffer_append_text(data, query ? ",\"after\":" : "\"after\":");
        buffer_append_slice(data, after);
    }
    buffer_append_byte(data, '}');
}

/* The server gives a batch and the id after which the next begins; no id: that was the last. */
static int export_collection(const struct ctl *ctl, struct client *client, const char *collection,
                             const char *query)
{
    struct buffer data = {0};
    struct slice after = {0};
    int status = 0;
    do {
        struct client_reply reply;
        compose_export(&data, query, after);
        if (!client_call(client, collection, "export", buffer_slice(&data), &reply, CTL_TIMEOUT_MS)) {
            status = ctl_call_failed(ctl, client);
            break;
        }
        struct json_iterator each = json_begin(json_member(reply.data, SLICE("documents")));
        while (json_step(&each)) {
            ctl_print(json_text(each.value));
            ctl_print(SLICE("\n"));
        }
        struct json_value last = json_member(reply.data, SLICE("after"));
        after = json_type(last) == JSON_STRING ? json_text(last) : (struct slice){0};
    } while (after.data);
    buffer_free(&data);
    return status;
}

static bool is_json_object(const char *text)
{
    struct json json = {0};
    bool parsed = json_parse(&json, text, strlen(text));
    bool object = parsed && json_type(json_root(&json)) == JSON_OBJECT;
    if (!parsed)
        ctl_fail("the query is not JSON: %s at byte %zu", json.error, json.error_offset);
    else if (!object)
        ctl_fail("the query is %s, expected an object", json_type_name(json_type(json_root(&json))));
    json_free(&json);
    return object;
}

static int run_export(const struct ctl *ctl, const struct words *words)
{
    const char *query = words_value(words, WORDS_QUERY);
    if (!ctl_name(words->operands[0]) || (query && !is_json_object(query)))
        return 1;
    struct client client;
    int status = 1;
    if (ctl_connect_quiet(ctl, &client))
        status = export_collection(ctl, &client, words->operands[0], query);
    client_close(&client);
    return status;
}

const struct ctl_command command_export = {
    .name = "export",
    .operands = "COLLECTION",
    .options = WORDS_BIT(WORDS_QUERY),
    .help = "prints the documents of a collection (those that match), one JSON document a line",
    .run = run_export,
};
