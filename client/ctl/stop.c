#include <unistd.h>

#include "client/c/control_line.h"
#include "client/ctl/ctl.h"

enum { STOP_SECONDS = 60 };

/* The master keeps the connection open until it exits, so its end is the end of the service. */
static int run_stop(const struct ctl *ctl, const struct words *words)
{
    const char *text = words_value(words, WORDS_TIMEOUT);
    long seconds = STOP_SECONDS;
    if (text && !ctl_seconds(&command_stop, text, &seconds))
        return 1;
    struct buffer answer = {0};
    int fd = ctl_ask(ctl, "stop", &answer);
    buffer_free(&answer);
    if (fd < 0)
        return 1;
    bool gone = control_line_wait(fd, (int)seconds * 1000);
    close(fd);
    return gone ? 0 : ctl_fail("dispatchd is still there after %ld s", seconds);
}

const struct ctl_command command_stop = {
    .name = "stop",
    .operands = "",
    .options = WORDS_BIT(WORDS_TIMEOUT),
    .help = "stops the service in good order and waits until it is gone (at most 60 s)",
    .run = run_stop,
};
