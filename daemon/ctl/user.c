#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ctl/ctl.h"
#include "shared/memory.h"

/* {"_id":NAME,"password":...,"groups":[...]} */
static void compose(struct buffer *data, const char *name, struct slice password, char *const *groups,
                    size_t count)
{
    buffer_append_text(data, "{\"_id\":");
    json_append_string(data, slice_text(name));
    buffer_append_text(data, ",\"password\":");
    json_append_string(data, password);
    buffer_append_text(data, ",\"groups\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_byte(data, ',');
        json_append_string(data, slice_text(groups[i]));
    }
    buffer_append_text(data, "]}");
}

static int add(const struct ctl *ctl, const char *name, bool from_stdin, char *const *groups, size_t count)
{
    struct session session = {0};
    struct session_reply reply;
    struct buffer password = {0}, data = {0};
    int status = 1;
    if (ctl_password(from_stdin, &password) && ctl_session_quiet(ctl, &session)) {
        compose(&data, name, buffer_slice(&password), groups, count);
        bool added = session_call(&session, "users", "add", buffer_slice(&data), &reply, CTL_TIMEOUT_MS);
        status = added ? 0 : ctl_session_failed(ctl, &session);
    }
    if (password.data)
        explicit_bzero(password.data, password.capacity);
    if (data.data)
        explicit_bzero(data.data, data.capacity);
    session_close(&session);
    buffer_free(&password);
    buffer_free(&data);
    return status;
}

static int run(const struct ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {
        {"group", required_argument, NULL, 'g'}, {"password-stdin", no_argument, NULL, 'p'}, {0}};
    char **groups = memory_zeroed((size_t)argc, sizeof *groups);
    size_t count = 0;
    bool from_stdin = false, wrong = false;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'g')
            groups[count++] = optarg;
        else if (option == 'p')
            from_stdin = true;
        else
            wrong = true;
    }
    int status;
    if (wrong || argc - optind != 2 || strcmp(argv[optind], "add") != 0)
        status = ctl_usage(&command_user);
    else if (!json_utf8_valid(argv[optind + 1], strlen(argv[optind + 1])))
        status = ctl_fail("the name is not UTF-8");
    else
        status = add(ctl, argv[optind + 1], from_stdin, groups, count);
    free(groups);
    return status;
}

const struct ctl_command command_user = {
    .name = "user",
    .usage = "add NAME [--group GROUP]... [--password-stdin]",
    .help = "adds a user; asks for the password twice, or reads one line of the standard input",
    .run = run,
};
