#include "client/ctl/ctl.h"

#include <string.h>

static bool is_of_groups(enum words_option option)
{
    return option == WORDS_GROUP || option == WORDS_NO_GROUP;
}

static bool is_of_reset(enum words_option option)
{
    return option == WORDS_FORCE_RESET || option == WORDS_NO_FORCE_RESET;
}

/* Each group once, as it was given last. */
static bool is_last(const struct words *words, size_t at)
{
    for (size_t i = at + 1; i < words->given_count; i++)
        if (is_of_groups(words->given[i].option) &&
            strcmp(words->given[i].value, words->given[at].value) == 0)
            return false;
    return true;
}

/* False: it was said what is wrong with one. */
static bool append_memberships(struct buffer *data, const struct words *words)
{
    bool first = true;
    buffer_append_text(data, ",\"groups\":{");
    for (size_t i = 0; i < words->given_count; i++) {
        const struct words_given *given = &words->given[i];
        if (!is_of_groups(given->option) || !is_last(words, i))
            continue;
        if (!ctl_name(given->value))
            return false;
        if (!first)
            buffer_append_byte(data, ',');
        first = false;
        json_append_string(data, slice_text(given->value));
        buffer_append_text(data, given->option == WORDS_GROUP ? ":true" : ":false");
    }
    buffer_append_byte(data, '}');
    return true;
}

static void append_reset(struct buffer *data, const struct words *words)
{
    const char *value = NULL;
    for (size_t i = 0; i < words->given_count; i++)
        if (is_of_reset(words->given[i].option))
            value = words->given[i].option == WORDS_FORCE_RESET ? "true" : "false";
    if (value)
        buffer_append_format(data, ",\"force_reset\":%s", value);
}

/* One call: all of it is done, or nothing. */
static int set_user(const struct ctl *ctl, const struct words *words)
{
    struct buffer data = {0};
    int status = 1;
    bool any = false;
    for (size_t i = 0; i < words->given_count; i++)
        any = any || is_of_groups(words->given[i].option) || is_of_reset(words->given[i].option);
    if (!any)
        return ctl_wrong(&command_user_set, "what is to be set is missing");
    if (ctl_name(words->operands[0])) {
        buffer_append_byte(&data, '{');
        ctl_append_id(&data, "_id", words->operands[0]);
        append_reset(&data, words);
        bool good = append_memberships(&data, words);
        buffer_append_byte(&data, '}');
        if (good)
            status = ctl_call(ctl, "users", "set", buffer_slice(&data), CTL_TIMEOUT_MS);
    }
    buffer_free(&data);
    return status;
}

const struct ctl_command command_user_set = {
    .name = "user set",
    .operands = "NAME",
    .options = WORDS_BIT(WORDS_GROUP) | WORDS_BIT(WORDS_NO_GROUP) | WORDS_BIT(WORDS_FORCE_RESET) |
               WORDS_BIT(WORDS_NO_FORCE_RESET),
    .help = "puts a user into groups and out of others; says whether the password is to be reset",
    .run = set_user,
};
