#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/parts.h"
#include "shared/base/memory.h"

/* {"_id":NAME */
static void compose_name(struct buffer *data, const char *name)
{
    buffer_append_text(data, "{\"_id\":");
    json_append_string(data, slice_text(name));
}

static void compose_groups(struct buffer *data, char *const *groups, size_t count)
{
    buffer_append_text(data, ",\"groups\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_byte(data, ',');
        json_append_string(data, slice_text(groups[i]));
    }
    buffer_append_byte(data, ']');
}

/* Asks for a password, puts it after @data under @key, and calls. */
static int call_with_password(const struct ctl *ctl, bool from_stdin, const char *method, const char *key,
                              struct buffer *data)
{
    struct buffer password = {0};
    int status = 1;
    if (ctl_password(from_stdin, &password)) {
        buffer_append_format(data, ",\"%s\":", key);
        json_append_string(data, buffer_slice(&password));
        buffer_append_byte(data, '}');
        status = ctl_call(ctl, "users", method, buffer_slice(data), CTL_TIMEOUT_MS);
    }
    buffer_free(&password);
    return status;
}

static int add_user(const struct ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {
        {"group", required_argument, NULL, 'g'},
        {"password-stdin", no_argument, NULL, 'p'},
        {"take-over", no_argument, NULL, 't'},
        {0},
    };
    char **groups = memory_zeroed((size_t)argc, sizeof *groups);
    struct buffer data = {0};
    size_t count = 0;
    bool from_stdin = false, take_over = false, wrong = false;
    int option, status = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'g')
            groups[count++] = optarg;
        else if (option == 'p')
            from_stdin = true;
        else if (option == 't')
            take_over = true;
        else
            wrong = true;
    }
    if (wrong || argc - optind != 1) {
        status = ctl_usage(&command_user);
    } else if (ctl_name(argv[optind])) {
        compose_name(&data, argv[optind]);
        compose_groups(&data, groups, count);
        if (take_over)
            buffer_append_text(&data, ",\"take_over\":true");
        status = call_with_password(ctl, from_stdin, "add", "password", &data);
    }
    buffer_free(&data);
    free(groups);
    return status;
}

static int change_password(const struct ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {{"password-stdin", no_argument, NULL, 'p'}, {0}};
    struct buffer data = {0};
    bool from_stdin = false;
    int option, status = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) == 'p')
        from_stdin = true;
    if (option != -1 || argc - optind != 1) {
        status = ctl_usage(&command_user);
    } else if (ctl_name(argv[optind])) {
        compose_name(&data, argv[optind]);
        status = call_with_password(ctl, from_stdin, "set_password", "new_password", &data);
    }
    buffer_free(&data);
    return status;
}

static int remove_user(const struct ctl *ctl, int argc, char **argv)
{
    struct buffer data = {0};
    int status = 1;
    const char *name = ctl_only_name(&command_user, argc, argv);
    if (name) {
        compose_name(&data, name);
        buffer_append_byte(&data, '}');
        status = ctl_call(ctl, "users", "remove_user", buffer_slice(&data), CTL_TIMEOUT_MS);
    }
    buffer_free(&data);
    return status;
}

static int run_user(const struct ctl *ctl, int argc, char **argv)
{
    static const struct ctl_part part_add = {"add", add_user}, part_passwd = {"passwd", change_password},
                                 part_remove = {"remove", remove_user};
    static const struct ctl_part *const parts[] = {&part_add, &part_passwd, &part_remove, &part_user_list,
                                                   &part_user_sessions};
    return ctl_run_part(ctl, &command_user, parts, sizeof parts / sizeof *parts, argc, argv);
}

const struct ctl_command command_user = {
    .name = "user",
    .usage =
        "add NAME [--group GROUP]... [--password-stdin] [--take-over] | passwd NAME [--password-stdin] |\n"
        "       remove NAME | list [--json] | sessions NAME [--json | --end ID | --end-all]",
    .help = "adds, removes and lists users; gives a new password; lists and ends a user's sessions",
    .run = run_user,
};
