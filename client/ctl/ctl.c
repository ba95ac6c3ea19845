/*
 * dispatchctl: talks to a running dispatchd over its control socket. Read the table below, then the file of a
 * command. Over that socket one may do everything, so the permissions of the file guard it.
 */
#include "client/ctl/ctl.h"

#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/default_paths.h"
#include "shared/base/standard_descriptors.h"

static const struct ctl_command *const commands[] = {
    &command_status, &command_stop,   &command_user, &command_group,
    &command_import, &command_export, &command_tail, &command_settings,
};
enum { COMMANDS = sizeof commands / sizeof *commands };

int ctl_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("dispatchctl: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return 1;
}

int ctl_usage(const struct ctl_command *command)
{
    fprintf(stderr, "usage: dispatchctl [--control PATH] %s %s\n", command->name, command->usage);
    return 1;
}

bool ctl_connect(const struct ctl *ctl, struct client *client)
{
    struct ws_target target;
    char message[WS_TARGET_MESSAGE];
    *client = (struct client){0};
    if (!ws_target_control(&target, ctl->control, message)) {
        ctl_fail("%s", message);
        return false;
    }
    if (!client_open(client, &target, NULL, CTL_TIMEOUT_MS)) {
        ctl_call_failed(ctl, client);
        return false;
    }
    return true;
}

bool ctl_connect_quiet(const struct ctl *ctl, struct client *client)
{
    struct client_reply reply;
    if (!ctl_connect(ctl, client))
        return false;
    if (client_call(client, "dispatcher", "subscribe", SLICE("{\"collections\":[]}"), &reply, CTL_TIMEOUT_MS))
        return true;
    ctl_call_failed(ctl, client);
    return false;
}

int ctl_call_failed(const struct ctl *ctl, const struct client *client)
{
    if (client->ws.state == WS_STATE_OVER || client->ws.state == WS_STATE_HANDSHAKE)
        return ctl_fail("dispatchd does not answer at %s: %s", ctl->control, client->message);
    return ctl_fail("%s", client->message);
}

static void print_help(void)
{
    printf("usage: dispatchctl [--control PATH] COMMAND ...\n\n"
           "Talks to a running dispatchd over its control socket.\n\n"
           "Options:\n"
           "  --control PATH   the control socket (default %s)\n"
           "  --help           this text\n"
           "  --version        the version\n\n"
           "Commands:\n",
           DEFAULT_CONTROL);
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %s %s\n        %s\n", commands[i]->name, commands[i]->usage, commands[i]->help);
    printf("\nExit status: 0 when it was done, 1 with one line on the standard error when it was not.\n");
}

static const struct ctl_command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

int main(int argc, char **argv)
{
    enum { CONTROL = 256, HELP, VERSION };
    static const struct option options[] = {
        {"control", required_argument, NULL, CONTROL},
        {"help", no_argument, NULL, HELP},
        {"version", no_argument, NULL, VERSION},
        {0},
    };
    struct ctl ctl = {.control = DEFAULT_CONTROL};
    int option;
    standard_descriptors_take();
    while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        switch (option) {
        case CONTROL:
            ctl.control = optarg;
            break;
        case HELP:
            print_help();
            ctl_flush();
            return 0;
        case VERSION:
            printf("dispatchctl %s\n", DISPATCHD_VERSION);
            ctl_flush();
            return 0;
        default:
            return 1;
        }
    }
    signal(SIGPIPE, SIG_IGN);
    if (optind == argc)
        return ctl_fail("a command is missing; see dispatchctl --help");
    const struct ctl_command *command = find_command(argv[optind]);
    if (!command)
        return ctl_fail("%s: no such command; see dispatchctl --help", argv[optind]);
    argc -= optind;
    argv += optind;
    optind = 0; /* a fresh start for the command's own options */
    int status = command->run(&ctl, argc, argv);
    ctl_flush();
    return status;
}
