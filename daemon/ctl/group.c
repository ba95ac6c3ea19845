#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ctl/ctl.h"
#include "shared/memory.h"

static void compose_permissions(struct buffer *data, const char *name, char *const *permissions, size_t count)
{
    buffer_append_text(data, "{\"_id\":");
    json_append_string(data, slice_text(name));
    buffer_append_text(data, ",\"permissions\":{");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_byte(data, ',');
        json_append_string(data, slice_text(permissions[i]));
        buffer_append_text(data, ":true");
    }
    buffer_append_text(data, "}}");
}

static int add(const struct ctl *ctl, const char *name, char *const *permissions, size_t count)
{
    struct session session = {0};
    struct session_reply reply;
    struct buffer data = {0};
    if (!ctl_session_quiet(ctl, &session)) {
        session_close(&session);
        return 1;
    }
    buffer_append_text(&data, "{\"_id\":");
    json_append_string(&data, slice_text(name));
    buffer_append_byte(&data, '}');
    int status = 0;
    if (!session_call(&session, "groups", "add", buffer_slice(&data), &reply, CTL_TIMEOUT_MS)) {
        status = ctl_session_failed(ctl, &session);
    } else if (count > 0) {
        buffer_clear(&data);
        compose_permissions(&data, name, permissions, count);
        if (!session_call(&session, "groups", "update_permissions", buffer_slice(&data), &reply,
                          CTL_TIMEOUT_MS))
            status = ctl_fail("the group was added without permissions: %s", session.message);
    }
    session_close(&session);
    buffer_free(&data);
    return status;
}

static int run(const struct ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {{"permission", required_argument, NULL, 'p'}, {0}};
    char **permissions = memory_zeroed((size_t)argc, sizeof *permissions);
    size_t count = 0;
    bool wrong = false;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        bool given_before = false;
        for (size_t i = 0; option == 'p' && i < count; i++)
            given_before |= strcmp(permissions[i], optarg) == 0;
        if (option != 'p')
            wrong = true;
        else if (!given_before)
            permissions[count++] = optarg;
    }
    int status;
    if (wrong || argc - optind != 2 || strcmp(argv[optind], "add") != 0)
        status = ctl_usage(&command_group);
    else if (!json_utf8_valid(argv[optind + 1], strlen(argv[optind + 1])))
        status = ctl_fail("the name is not UTF-8");
    else
        status = add(ctl, argv[optind + 1], permissions, count);
    free(permissions);
    return status;
}

const struct ctl_command command_group = {
    .name = "group",
    .usage = "add NAME [--permission PERMISSION]...",
    .help = "adds a group that holds these permissions",
    .run = run,
};
