#include "client/ctl/ctl.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"

/* A group with many members loses them in steps. */
enum { REMOVE_TIMEOUT_MS = 600000 };

/* Each name once, as it was given last. */
static bool is_last(const struct words *words, size_t at)
{
    for (size_t i = at + 1; i < words->given_count; i++)
        if (words->given[i].value && strcmp(words->given[i].value, words->given[at].value) == 0 &&
            (words->given[i].option == WORDS_PERMISSION || words->given[i].option == WORDS_NO_PERMISSION))
            return false;
    return true;
}

/* False: it was said what is wrong with one. */
static bool append_permissions(struct buffer *data, const struct words *words)
{
    bool first = true;
    buffer_append_text(data, ",\"permissions\":{");
    for (size_t i = 0; i < words->given_count; i++) {
        const struct words_given *given = &words->given[i];
        if ((given->option != WORDS_PERMISSION && given->option != WORDS_NO_PERMISSION) || !is_last(words, i))
            continue;
        if (!ctl_name(given->value))
            return false;
        if (!first)
            buffer_append_byte(data, ',');
        first = false;
        json_append_string(data, slice_text(given->value));
        buffer_append_text(data, given->option == WORDS_PERMISSION ? ":true" : ":false");
    }
    buffer_append_byte(data, '}');
    return true;
}

/* One call with the group's name and the permissions: all of it is done, or nothing. */
static int call_groups(const struct ctl *ctl, const struct words *words, const char *method, int timeout_ms,
                       bool permissions)
{
    struct buffer data = {0};
    const char *name = words->operands[0];
    int status = 1;
    if (ctl_name(name)) {
        buffer_append_byte(&data, '{');
        ctl_append_id(&data, "_id", name);
        if (words_has(words, WORDS_TAKE_OVER))
            buffer_append_text(&data, ",\"take_over\":true");
        bool good = !permissions || append_permissions(&data, words);
        buffer_append_byte(&data, '}');
        if (good)
            status = ctl_call(ctl, "groups", method, buffer_slice(&data), timeout_ms);
    }
    buffer_free(&data);
    return status;
}

static int add_group(const struct ctl *ctl, const struct words *words)
{
    return call_groups(ctl, words, "add", CTL_TIMEOUT_MS, true);
}

static int set_group_permissions(const struct ctl *ctl, const struct words *words)
{
    return call_groups(ctl, words, "update_permissions", CTL_TIMEOUT_MS, true);
}

static int remove_group(const struct ctl *ctl, const struct words *words)
{
    return call_groups(ctl, words, "remove_group", REMOVE_TIMEOUT_MS, false);
}

const struct ctl_command command_group_add = {
    .name = "group add",
    .operands = "NAME",
    .options = WORDS_BIT(WORDS_PERMISSION) | WORDS_BIT(WORDS_TAKE_OVER),
    .help = "adds a group with these permissions",
    .run = add_group,
};

const struct ctl_command command_group_remove = {
    .name = "group remove",
    .operands = "NAME",
    .help = "removes a group; its members lose it",
    .run = remove_group,
};

const struct ctl_command command_group_set = {
    .name = "group set",
    .operands = "NAME",
    .options = WORDS_BIT(WORDS_PERMISSION) | WORDS_BIT(WORDS_NO_PERMISSION),
    .help = "gives a group permissions and takes some from it; the others stay",
    .run = set_group_permissions,
};
