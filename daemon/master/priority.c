#include "daemon/master/priority.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "shared/base/log.h"

enum { RAISED_BY = 10 };

static bool raised;
static int before;

void priority_raise(void)
{
    errno = 0; /* -1 is a nice value too */
    int now = getpriority(PRIO_PROCESS, 0);
    if (raised || (now == -1 && errno))
        return;
    before = now;
    raised = setpriority(PRIO_PROCESS, 0, now - RAISED_BY) == 0; /* the kernel stops at its own bound */
}

void priority_restore(void)
{
    if (raised && setpriority(PRIO_PROCESS, 0, before) != 0)
        log_warning("the nice value cannot be set back to %d: %m", before);
}
