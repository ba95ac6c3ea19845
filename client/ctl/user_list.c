#include "client/ctl/listing.h"

/* The documents of users do not say who has a password: that is asked on a connection of its own, page by
 * page, so that the page stays as it was read. */
struct passwords {
    const struct ctl *ctl;
    bool connected;
    struct client client;
    struct json_iterator have; /* who of the page has one: ids in the page's order; at the next of them */
    bool more;                 /* there is one */
};

static bool ask_for_passwords(void *context, struct json_value documents)
{
    struct passwords *passwords = context;
    struct client_reply reply;
    struct buffer data = {0};
    if (!passwords->connected && !ctl_connect_quiet(passwords->ctl, &passwords->client))
        return false;
    passwords->connected = true;
    buffer_append_text(&data, "{\"ids\":[");
    struct json_iterator each = json_begin(documents);
    for (size_t i = 0; json_step(&each); i++) {
        if (i > 0)
            buffer_append_byte(&data, ',');
        buffer_append_slice(&data, json_text(json_member(each.value, SLICE("_id"))));
    }
    buffer_append_text(&data, "]}");
    bool done = client_call(&passwords->client, "users", "with_password", buffer_slice(&data), &reply,
                            CTL_TIMEOUT_MS);
    buffer_free(&data);
    if (done) {
        passwords->have = json_begin(reply.data);
        passwords->more = json_step(&passwords->have);
    } else {
        ctl_call_failed(passwords->ctl, &passwords->client);
    }
    return done;
}

static bool has_password(struct passwords *passwords, struct json_value id)
{
    struct buffer scratch = {0};
    bool has = passwords->more && json_string_is(passwords->have.value, json_string(id, &scratch));
    if (has)
        passwords->more = json_step(&passwords->have);
    buffer_free(&scratch);
    return has;
}

static void add_user_row(void *context, struct table *table, struct json_value user)
{
    struct buffer groups = {0};
    struct json_value id = json_member(user, SLICE("_id"));
    struct json_iterator each = json_begin(json_member(user, SLICE("groups")));
    bool reset = false;
    while (json_step(&each)) {
        struct buffer scratch = {0};
        listing_append_name(&groups, json_string(each.value, &scratch));
        buffer_free(&scratch);
    }
    (void)json_boolean(json_member(user, SLICE("force_reset")), &reset);
    listing_add_text(table, id);
    table_add(table, !has_password(context, id) ? SLICE("none")
                     : reset                    ? SLICE("to be reset")
                                                : SLICE("valid"));
    listing_add_text(table, json_member(user, SLICE("primary_group")));
    table_add(table, buffer_slice(&groups));
    buffer_free(&groups);
}

static int list_users(const struct ctl *ctl, const struct words *words)
{
    static const char *const heads[] = {"NAME", "PASSWORD", "PRIMARY GROUP", "GROUPS"};
    struct passwords passwords = {.ctl = ctl};
    const struct listing listing = {.collection = "users",
                                    .heads = heads,
                                    .columns = sizeof heads / sizeof *heads,
                                    .prepare = ask_for_passwords,
                                    .add_row = add_user_row,
                                    .context = &passwords};
    int status = listing_show(ctl, &listing, words);
    client_close(&passwords.client);
    return status;
}

const struct ctl_command command_user_list = {
    .name = "user list",
    .operands = "",
    .options = WORDS_BIT(WORDS_JSON),
    .help = "shows all users, their passwords' state and their groups, with --json as documents",
    .run = list_users,
};
