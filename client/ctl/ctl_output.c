#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/ctl.h"

static bool pipes_are_ignored; /* whoever started this has SIGPIPE ignored */

void ctl_output_start(void)
{
    pipes_are_ignored = signal(SIGPIPE, SIG_IGN) == SIG_IGN;
}

/* When nobody reads any more (dispatchctl ... | head) it ends as other tools do. */
[[gnu::noreturn]] static void output_give_up(int error)
{
    if (error == EPIPE && !pipes_are_ignored) {
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    ctl_fail("standard output: %s", strerror(error));
    /* What stdio still holds cannot be written either: leave without trying. */
    _Exit(1);
}

void ctl_print(struct slice text)
{
    if (text.length > 0 && fwrite(text.data, 1, text.length, stdout) != text.length)
        output_give_up(errno);
}

void ctl_flush(void)
{
    if (fflush(stdout) != 0)
        output_give_up(errno);
    if (ferror(stdout)) /* in between */
        output_give_up(EIO);
}

const char *ctl_bytes(char out[CTL_BYTES_TEXT], uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit < 4) {
        value /= 1024;
        unit++;
    }
    snprintf(out, CTL_BYTES_TEXT, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return out;
}
