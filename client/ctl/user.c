#include "client/ctl/ctl.h"

#include <string.h>

/* {"_id":NAME */
static void compose_user(struct buffer *data, const char *name)
{
    buffer_append_byte(data, '{');
    ctl_append_id(data, "_id", name);
}

/* False: it was said what is wrong with one. */
static bool append_groups(struct buffer *data, const struct words *words)
{
    bool first = true;
    buffer_append_text(data, ",\"groups\":[");
    for (size_t i = 0; i < words->given_count; i++) {
        if (words->given[i].option != WORDS_GROUP)
            continue;
        if (!ctl_name(words->given[i].value))
            return false;
        if (!first)
            buffer_append_byte(data, ',');
        first = false;
        json_append_string(data, slice_text(words->given[i].value));
    }
    buffer_append_byte(data, ']');
    return true;
}

/* Asks for a password, puts it after @data under @key, and calls. */
static int call_with_password(const struct ctl *ctl, const struct words *words, const char *method,
                              const char *key, struct buffer *data)
{
    struct buffer password = {0};
    int status = 1;
    if (ctl_password(words_has(words, WORDS_PASSWORD_STDIN), &password)) {
        buffer_append_format(data, ",\"%s\":", key);
        json_append_string(data, buffer_slice(&password));
        buffer_append_byte(data, '}');
        status = ctl_call(ctl, "users", method, buffer_slice(data), CTL_TIMEOUT_MS);
    }
    buffer_free(&password);
    return status;
}

static int add_user(const struct ctl *ctl, const struct words *words)
{
    struct buffer data = {0};
    int status = 1;
    if (ctl_name(words->operands[0])) {
        compose_user(&data, words->operands[0]);
        if (words_has(words, WORDS_TAKE_OVER))
            buffer_append_text(&data, ",\"take_over\":true");
        if (append_groups(&data, words))
            status = call_with_password(ctl, words, "add", "password", &data);
    }
    buffer_free(&data);
    return status;
}

static int change_password(const struct ctl *ctl, const struct words *words)
{
    struct buffer data = {0};
    int status = 1;
    if (ctl_name(words->operands[0])) {
        compose_user(&data, words->operands[0]);
        status = call_with_password(ctl, words, "set_password", "new_password", &data);
    }
    buffer_free(&data);
    return status;
}

static int remove_user(const struct ctl *ctl, const struct words *words)
{
    struct buffer data = {0};
    int status = 1;
    if (ctl_name(words->operands[0])) {
        compose_user(&data, words->operands[0]);
        buffer_append_byte(&data, '}');
        status = ctl_call(ctl, "users", "remove_user", buffer_slice(&data), CTL_TIMEOUT_MS);
    }
    buffer_free(&data);
    return status;
}

const struct ctl_command command_user_add = {
    .name = "user add",
    .operands = "NAME",
    .options = WORDS_BIT(WORDS_GROUP) | WORDS_BIT(WORDS_PASSWORD_STDIN) | WORDS_BIT(WORDS_TAKE_OVER),
    .help = "adds a user who is a member of these groups; asks for the password",
    .run = add_user,
};

const struct ctl_command command_user_passwd = {
    .name = "user passwd",
    .operands = "NAME",
    .options = WORDS_BIT(WORDS_PASSWORD_STDIN),
    .help = "gives a user a new password and ends the user's sessions",
    .run = change_password,
};

const struct ctl_command command_user_remove = {
    .name = "user remove",
    .operands = "NAME",
    .help = "removes a user with all sessions",
    .run = remove_user,
};
