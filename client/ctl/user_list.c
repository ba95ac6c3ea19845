#include "client/ctl/parts.h"
#include "client/ctl/table.h"

static void append_names(struct buffer *out, struct json_value names)
{
    struct json_iterator each = json_begin(names);
    while (json_step(&each)) {
        struct buffer scratch = {0};
        if (out->length)
            buffer_append_byte(out, ',');
        buffer_append_slice(out, json_string(each.value, &scratch));
        buffer_free(&scratch);
    }
}

static void add_text(struct table *table, struct json_value value)
{
    struct buffer scratch = {0};
    table_add(table, json_string(value, &scratch));
    buffer_free(&scratch);
}

static void add_row(void *argument, struct json_value user)
{
    struct table *table = argument;
    struct buffer groups = {0};
    bool reset = false;
    append_names(&groups, json_member(user, SLICE("groups")));
    (void)json_boolean(json_member(user, SLICE("force_reset")), &reset);
    add_text(table, json_member(user, SLICE("_id")));
    table_add(table, reset ? SLICE("to be reset") : SLICE("valid"));
    add_text(table, json_member(user, SLICE("primary_group")));
    table_add(table, buffer_slice(&groups));
    buffer_free(&groups);
}

static int list_users(const struct ctl *ctl, int argc, char **argv)
{
    static const char *const heads[] = {"NAME", "PASSWORD", "PRIMARY GROUP", "GROUPS"};
    static const struct ctl_listing listing = {"users", heads, sizeof heads / sizeof *heads, add_row};
    return ctl_list(ctl, &command_user, &listing, argc, argv);
}

const struct ctl_part part_user_list = {"list", list_users};
