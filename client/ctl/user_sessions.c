#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/ctl/listing.h"
#include "shared/base/memory.h"

/* The user's sessions are asked for first, whatever is to be done with them: what is ended is one of them. */
static bool fetch_sessions(const struct ctl *ctl, struct client *client, const char *name,
                           struct client_reply *reply)
{
    struct buffer data = {0};
    buffer_append_byte(&data, '{');
    ctl_append_id(&data, "user_id", name);
    buffer_append_byte(&data, '}');
    bool done = ctl_connect_quiet(ctl, client);
    if (done && !client_call(client, "users", "sessions", buffer_slice(&data), reply, CTL_TIMEOUT_MS)) {
        ctl_call_failed(ctl, client);
        done = false;
    }
    buffer_free(&data);
    return done;
}

/* ---- showing ---- */

/* Milliseconds since 1970 as 2026-01-31 09:15:00Z. */
static void add_time(struct table *table, struct json_value value)
{
    char text[32];
    int64_t ms;
    struct tm parts;
    if (!json_integer(value, &ms)) {
        table_add(table, SLICE(""));
        return;
    }
    time_t s = (time_t)(ms / 1000);
    size_t length = gmtime_r(&s, &parts) ? strftime(text, sizeof text, "%Y-%m-%d %H:%M:%SZ", &parts) : 0;
    table_add(table, slice_of(text, length));
}

static void print_sessions(struct json_value sessions)
{
    struct table table = {.columns = 5};
    static const char *const heads[] = {"ID", "CREATED", "USED", "ADDRESS", "BROWSER"};
    listing_add_heads(&table, heads, table.columns);
    struct json_iterator each = json_begin(sessions);
    while (json_step(&each)) {
        listing_add_text(&table, json_member(each.value, SLICE("id")));
        add_time(&table, json_member(each.value, SLICE("created")));
        add_time(&table, json_member(each.value, SLICE("used")));
        listing_add_text(&table, json_member(each.value, SLICE("address")));
        listing_add_text(&table, json_member(each.value, SLICE("browser")));
    }
    listing_print(&table);
    table_free(&table);
}

static int show_sessions(const struct ctl *ctl, const char *name, bool as_json)
{
    struct client client = {0};
    struct client_reply reply;
    int status = 1;
    if (fetch_sessions(ctl, &client, name, &reply)) {
        struct json_iterator each = json_begin(reply.data);
        while (as_json && json_step(&each))
            listing_print_line(each.value);
        if (!as_json)
            print_sessions(reply.data);
        status = 0;
    }
    client_close(&client);
    return status;
}

/* ---- ending ---- */

/* The ids to end: @wanted or, when that is NULL, all. They are copied, as JSON: the answer they stand in goes
 * with the next call. */
static size_t choose_sessions(struct json_value sessions, const char *wanted, char **ids)
{
    size_t count = 0;
    struct json_iterator each = json_begin(sessions);
    while (json_step(&each)) {
        struct json_value id = json_member(each.value, SLICE("id"));
        struct slice text = json_text(id);
        if (json_type(id) == JSON_STRING && (!wanted || json_string_is(id, slice_text(wanted))))
            ids[count++] = memory_copy(text.data, text.length);
    }
    return count;
}

/* One that has ended by itself meanwhile is as good. */
static bool end_session(struct client *client, const char *id)
{
    struct client_reply reply;
    struct buffer data = {0};
    buffer_append_format(&data, "{\"id\":%s}", id);
    bool done = client_call(client, "users", "remove_session", buffer_slice(&data), &reply, CTL_TIMEOUT_MS) ||
                (client->ws.state == WS_STATE_OPEN && strcmp(client->message, "Session does not exist") == 0);
    buffer_free(&data);
    return done;
}

static int end_sessions(const struct ctl *ctl, const char *name, const char *wanted)
{
    struct client client = {0};
    struct client_reply reply;
    int status = 1;
    if (fetch_sessions(ctl, &client, name, &reply)) {
        char **ids = memory_zeroed(json_count(reply.data) + 1, sizeof *ids);
        size_t count = choose_sessions(reply.data, wanted, ids);
        status = 0;
        if (wanted && count == 0)
            status = ctl_fail("%s has no session %s", name, wanted);
        for (size_t i = 0; i < count; i++) {
            if (status == 0 && !end_session(&client, ids[i]))
                status = ctl_call_failed(ctl, &client);
            free(ids[i]);
        }
        free(ids);
    }
    client_close(&client);
    return status;
}

static int run_user_sessions(const struct ctl *ctl, const struct words *words)
{
    const char *name = words->operands[0], *wanted = words_value(words, WORDS_END);
    bool as_json = words_has(words, WORDS_JSON), all = words_has(words, WORDS_END_ALL);
    if ((wanted != NULL) + all + as_json > 1)
        return ctl_wrong(&command_user_sessions, "of --json, --end and --end-all only one can be");
    if (!ctl_name(name))
        return 1;
    return wanted || all ? end_sessions(ctl, name, wanted) : show_sessions(ctl, name, as_json);
}

const struct ctl_command command_user_sessions = {
    .name = "user sessions",
    .operands = "NAME",
    .options = WORDS_BIT(WORDS_JSON) | WORDS_BIT(WORDS_END) | WORDS_BIT(WORDS_END_ALL),
    .help = "shows a user's sessions, or ends one or all of them",
    .run = run_user_sessions,
};
