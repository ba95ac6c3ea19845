#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/c/control_line.h"
#include "client/ctl/ctl.h"

enum { STOP_SECONDS = 60 };

/* The master keeps the connection open until it exits, so its end is the end of the service. */
static int run_stop(const struct ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {{"timeout", required_argument, NULL, 't'}, {0}};
    long seconds = STOP_SECONDS;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        char *end = NULL;
        if (option == 't')
            seconds = strtol(optarg, &end, 10);
        if (option != 't' || *end || end == optarg || seconds < 1 || seconds > 86400)
            return ctl_usage(&command_stop);
    }
    if (optind != argc)
        return ctl_usage(&command_stop);
    struct buffer answer = {0};
    char message[CONTROL_LINE_MESSAGE];
    int fd = control_line_ask(ctl->control, "stop", CTL_TIMEOUT_MS, &answer, message);
    buffer_free(&answer);
    if (fd < 0)
        return ctl_fail("%s", message);
    bool gone = control_line_wait(fd, (int)seconds * 1000);
    close(fd);
    return gone ? 0 : ctl_fail("dispatchd is still there after %ld s", seconds);
}

const struct ctl_command command_stop = {
    .name = "stop",
    .usage = "[--timeout SECONDS]",
    .help = "stops the service in good order and waits until it is gone (at most 60 s)",
    .run = run_stop,
};
