/*
 * Preloaded into a server by the tests: each time that it waits for the disk to have what was written takes
 * SLOW_DISK_MS longer.
 */

#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int fdatasync(int fd)
{
    const char *text = getenv("SLOW_DISK_MS");
    long ms = text ? strtol(text, NULL, 10) : 0;
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&wait, NULL);
    return (int)syscall(SYS_fdatasync, fd);
}
