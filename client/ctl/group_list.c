#include "client/ctl/parts.h"
#include "client/ctl/table.h"

static void append_permissions(struct buffer *out, struct json_value permissions)
{
    struct json_iterator each = json_begin(permissions);
    bool granted;
    while (json_step(&each)) {
        struct buffer scratch = {0};
        if (!json_boolean(each.value, &granted) || !granted)
            continue;
        if (out->length)
            buffer_append_byte(out, ',');
        buffer_append_slice(out, json_string(each.key, &scratch));
        buffer_free(&scratch);
    }
}

/* What the group administrator may do stands in no document. */
static void add_row(void *argument, struct json_value group)
{
    struct table *table = argument;
    struct buffer permissions = {0}, scratch = {0};
    struct json_value id = json_member(group, SLICE("_id"));
    if (json_string_is(id, SLICE("administrator")))
        buffer_append_text(&permissions, "(all)");
    else
        append_permissions(&permissions, json_member(group, SLICE("permissions")));
    table_add(table, json_string(id, &scratch));
    table_add(table, buffer_slice(&permissions));
    buffer_free(&permissions);
    buffer_free(&scratch);
}

static int list_groups(const struct ctl *ctl, int argc, char **argv)
{
    static const char *const heads[] = {"NAME", "PERMISSIONS"};
    static const struct ctl_listing listing = {"groups", heads, sizeof heads / sizeof *heads, add_row};
    return ctl_list(ctl, &command_group, &listing, argc, argv);
}

const struct ctl_part part_group_list = {"list", list_groups};
