#include "shared/base/standard_descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* The standard input for writing, the others for reading: the wrong way round, so that using them is an
 * error. There is always a root directory, should there be no device. */
static int open_unusable(int fd)
{
    int opened = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    return opened >= 0 ? opened : open("/", O_PATH | O_DIRECTORY);
}

void standard_descriptors_take(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        if (open_unusable(fd) != fd) /* the lowest number that is free */
            _exit(1);
    }
}
