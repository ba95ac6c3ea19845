#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/parts.h"
#include "shared/base/memory.h"

/* A group with many members loses them in steps. */
enum { REMOVE_TIMEOUT_MS = 600000 };

/* The permissions of a call: each name once, as it was given last. */
struct wishes {
    const char **names;
    bool *granted;
    size_t count;
    bool take_over;
};

static void add_wish(struct wishes *wishes, const char *name, bool granted)
{
    size_t i = 0;
    while (i < wishes->count && strcmp(wishes->names[i], name) != 0)
        i++;
    wishes->names[i] = name;
    wishes->granted[i] = granted;
    if (i == wishes->count)
        wishes->count++;
}

/* Reads the options of a part: --permission and, where they are known, --no-permission and --take-over. */
static bool read_wishes(struct wishes *wishes, const struct option *options, int argc, char **argv)
{
    bool good = true;
    int option;
    wishes->names = memory_zeroed((size_t)argc, sizeof *wishes->names);
    wishes->granted = memory_zeroed((size_t)argc, sizeof *wishes->granted);
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'p' || option == 'n')
            add_wish(wishes, optarg, option == 'p');
        else if (option == 't')
            wishes->take_over = true;
        else
            good = false;
    }
    if (!good || argc - optind != 1) {
        ctl_usage(&command_group);
        return false;
    }
    return ctl_name(argv[optind]);
}

static void wishes_free(struct wishes *wishes)
{
    free(wishes->names);
    free(wishes->granted);
}

static void compose_name(struct buffer *data, const char *name)
{
    buffer_append_text(data, "{\"_id\":");
    json_append_string(data, slice_text(name));
}

static void compose_permissions(struct buffer *data, const char *name, const struct wishes *wishes)
{
    compose_name(data, name);
    buffer_append_text(data, ",\"permissions\":{");
    for (size_t i = 0; i < wishes->count; i++) {
        if (i > 0)
            buffer_append_byte(data, ',');
        json_append_string(data, slice_text(wishes->names[i]));
        buffer_append_text(data, wishes->granted[i] ? ":true" : ":false");
    }
    buffer_append_text(data, "}}");
}

static int make_group(const struct ctl *ctl, const char *name, const struct wishes *wishes)
{
    struct client client = {0};
    struct client_reply reply;
    struct buffer data = {0};
    if (!ctl_connect_quiet(ctl, &client)) {
        client_close(&client);
        return 1;
    }
    compose_name(&data, name);
    buffer_append_text(&data, wishes->take_over ? ",\"take_over\":true}" : "}");
    int status = 0;
    if (!client_call(&client, "groups", "add", buffer_slice(&data), &reply, CTL_TIMEOUT_MS)) {
        status = ctl_call_failed(ctl, &client);
    } else {
        ctl_say_taken_over(reply.data);
    }
    if (status == 0 && wishes->count > 0) {
        buffer_clear(&data);
        compose_permissions(&data, name, wishes);
        if (!client_call(&client, "groups", "update_permissions", buffer_slice(&data), &reply,
                         CTL_TIMEOUT_MS))
            status = ctl_fail("the group was added, its permissions were not: %s", client.message);
    }
    client_close(&client);
    buffer_free(&data);
    return status;
}

static int add_group(const struct ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {
        {"permission", required_argument, NULL, 'p'}, {"take-over", no_argument, NULL, 't'}, {0}};
    struct wishes wishes = {0};
    int status = 1;
    if (read_wishes(&wishes, options, argc, argv))
        status = make_group(ctl, argv[optind], &wishes);
    wishes_free(&wishes);
    return status;
}

static int set_group_permissions(const struct ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {
        {"permission", required_argument, NULL, 'p'}, {"no-permission", required_argument, NULL, 'n'}, {0}};
    struct wishes wishes = {0};
    struct buffer data = {0};
    int status = 1;
    if (read_wishes(&wishes, options, argc, argv)) {
        compose_permissions(&data, argv[optind], &wishes);
        status = ctl_call(ctl, "groups", "update_permissions", buffer_slice(&data), CTL_TIMEOUT_MS);
    }
    buffer_free(&data);
    wishes_free(&wishes);
    return status;
}

static int remove_group(const struct ctl *ctl, int argc, char **argv)
{
    struct buffer data = {0};
    int status = 1;
    const char *name = ctl_only_name(&command_group, argc, argv);
    if (name) {
        compose_name(&data, name);
        buffer_append_byte(&data, '}');
        status = ctl_call(ctl, "groups", "remove_group", buffer_slice(&data), REMOVE_TIMEOUT_MS);
    }
    buffer_free(&data);
    return status;
}

static int run_group(const struct ctl *ctl, int argc, char **argv)
{
    static const struct ctl_part part_add = {"add", add_group}, part_remove = {"remove", remove_group},
                                 part_set = {"set", set_group_permissions};
    static const struct ctl_part *const parts[] = {&part_add, &part_remove, &part_set, &part_group_list};
    return ctl_run_part(ctl, &command_group, parts, sizeof parts / sizeof *parts, argc, argv);
}

const struct ctl_command command_group = {
    .name = "group",
    .usage = "add NAME [--permission PERMISSION]... [--take-over] | remove NAME |\n"
             "       set NAME [--permission PERMISSION]... [--no-permission PERMISSION]... | list [--json]",
    .help = "adds, removes and lists groups; gives permissions to one and takes them",
    .run = run_group,
};
