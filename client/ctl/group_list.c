#include "client/ctl/listing.h"

static void append_permissions(struct buffer *out, struct json_value permissions)
{
    struct json_iterator each = json_begin(permissions);
    bool granted;
    while (json_step(&each)) {
        struct buffer scratch = {0};
        if (json_boolean(each.value, &granted) && granted)
            listing_append_name(out, json_string(each.key, &scratch));
        buffer_free(&scratch);
    }
}

/* What the group administrator may do stands in no document. */
static void add_group_row(void *context, struct table *table, struct json_value group)
{
    (void)context;
    struct buffer permissions = {0};
    struct json_value id = json_member(group, SLICE("_id"));
    if (json_string_is(id, SLICE("administrator")))
        buffer_append_text(&permissions, "(all)");
    else
        append_permissions(&permissions, json_member(group, SLICE("permissions")));
    listing_add_text(table, id);
    table_add(table, buffer_slice(&permissions));
    buffer_free(&permissions);
}

static int list_groups(const struct ctl *ctl, const struct words *words)
{
    static const char *const heads[] = {"NAME", "PERMISSIONS"};
    static const struct listing listing = {.collection = "groups",
                                           .heads = heads,
                                           .columns = sizeof heads / sizeof *heads,
                                           .add_row = add_group_row};
    return listing_show(ctl, &listing, words);
}

const struct ctl_command command_group_list = {
    .name = "group list",
    .operands = "",
    .options = WORDS_BIT(WORDS_JSON),
    .help = "shows all groups and their permissions, with --json as documents",
    .run = list_groups,
};
