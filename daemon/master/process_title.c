#include "daemon/master/process_title.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "shared/base/memory.h"

/* The kernel shows the arguments' memory, and reads on into the environment when the last argument lost its
 * NUL (proc(5), /proc/PID/cmdline). So both make one piece of room, as long as they follow each other. */
static struct {
    char *start;
    size_t bytes;
} room;

/* The bytes from @start that the strings of @list cover without a gap after @end; moves @end. */
static void extend_title(char **list, char **end)
{
    for (; *list; list++) {
        if (*list != *end)
            return;
        *end += strlen(*list) + 1;
    }
}

void process_title_init(int argc, char **argv)
{
    if (argc < 1)
        return;
    char *end = argv[0];
    extend_title(argv, &end);
    extend_title(environ, &end);
    room.start = argv[0];
    room.bytes = (size_t)(end - argv[0]);

    /* What libc and others must find again lies in that room. Kept until the process ends. */
    static char **copy;
    size_t count = 0;
    while (environ[count])
        count++;
    copy = memory_zeroed(count + 1, sizeof *copy);
    for (size_t i = 0; i < count; i++)
        copy[i] = memory_copy(environ[i], strlen(environ[i]));
    environ = copy;
    static char name[] = "dispatchd";
    program_invocation_name = name;
    program_invocation_short_name = name;
}

void process_title_set(const char *format, ...)
{
    char title[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(title, sizeof title, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    prctl(PR_SET_NAME, title); /* the kernel takes 15 bytes */
    if (room.bytes < 2)
        return;
    size_t bytes = strlen(title);
    if (bytes > room.bytes - 1)
        bytes = room.bytes - 1;
    memcpy(room.start, title, bytes);
    memset(room.start + bytes, 0, room.bytes - bytes);
}
