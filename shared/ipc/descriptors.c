#include "shared/ipc/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>

/* LOOKED_AT: what a process has before its first connection is below. */
enum { LOOKED_AT = 1024, SPARE_LEAST = 2 * DESCRIPTORS_FOR_CONTROL, SPARE_MOST = 64, SPARE_SHARE = 8 };

uint32_t descriptors_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT32_MAX)
        return INT32_MAX;
    return (uint32_t)limit.rlim_cur;
}

uint32_t descriptors_room(void)
{
    uint32_t limit = descriptors_limit();
    uint32_t taken = limit / SPARE_SHARE;
    if (taken < SPARE_LEAST)
        taken = SPARE_LEAST;
    if (taken > SPARE_MOST)
        taken = SPARE_MOST;
    for (int fd = 0; fd < LOOKED_AT && (uint32_t)fd < limit; fd++)
        taken += fcntl(fd, F_GETFD) >= 0;
    return taken < limit ? limit - taken : 1;
}
