#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/ctl/parts.h"
#include "client/ctl/table.h"
#include "shared/base/memory.h"

/* The user's sessions are asked for first, whatever is to be done with them: what is ended is one of them. */
static bool fetch_sessions(const struct ctl *ctl, struct client *client, const char *name,
                           struct client_reply *reply)
{
    struct buffer data = {0};
    buffer_append_text(&data, "{\"user_id\":");
    json_append_string(&data, slice_text(name));
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

static void add_text(struct table *table, struct json_value value)
{
    struct buffer scratch = {0};
    table_add(table, json_string(value, &scratch));
    buffer_free(&scratch);
}

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
    struct buffer out = {0};
    static const char *const heads[] = {"ID", "CREATED", "USED", "ADDRESS", "BROWSER"};
    for (size_t i = 0; i < table.columns; i++)
        table_add(&table, slice_text(heads[i]));
    struct json_iterator each = json_begin(sessions);
    while (json_step(&each)) {
        add_text(&table, json_member(each.value, SLICE("id")));
        add_time(&table, json_member(each.value, SLICE("created")));
        add_time(&table, json_member(each.value, SLICE("used")));
        add_text(&table, json_member(each.value, SLICE("address")));
        add_text(&table, json_member(each.value, SLICE("browser")));
    }
    table_append(&table, &out);
    ctl_print(buffer_slice(&out));
    table_free(&table);
    buffer_free(&out);
}

static int show_sessions(const struct ctl *ctl, const char *name, bool as_json)
{
    struct client client = {0};
    struct client_reply reply;
    int status = 1;
    if (fetch_sessions(ctl, &client, name, &reply)) {
        struct json_iterator each = json_begin(reply.data);
        while (as_json && json_step(&each))
            ctl_print_line(NULL, each.value);
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

static int run_user_sessions(const struct ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"end", required_argument, NULL, 'e'},
                                            {"end-all", no_argument, NULL, 'a'},
                                            {0}};
    const char *wanted = NULL;
    bool as_json = false, all = false, wrong = false;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'j')
            as_json = true;
        else if (option == 'e')
            wanted = optarg;
        else if (option == 'a')
            all = true;
        else
            wrong = true;
    }
    if (wrong || argc - optind != 1 || (wanted != NULL) + all + as_json > 1)
        return ctl_usage(&command_user);
    if (!ctl_name(argv[optind]))
        return 1;
    return wanted || all ? end_sessions(ctl, argv[optind], wanted)
                         : show_sessions(ctl, argv[optind], as_json);
}

const struct ctl_part part_user_sessions = {"sessions", run_user_sessions};
