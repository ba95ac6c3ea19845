#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/ctl.h"

/* Nobody reads any more (dispatchctl ... | head): that is no news to anybody. */
[[gnu::noreturn]] static void output_give_up(int error)
{
    if (error != EPIPE)
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
