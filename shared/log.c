#include "shared/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 4096, TEXT_BYTES = 1500 };

static struct {
    enum log_level level;
    int fd;
    bool to_syslog;
    char path[4096]; /* of a file; empty otherwise */
    char process[64];
    char gathered[LOG_GATHERED_BYTES];
    size_t used;
} log_state = {.level = LOG_LEVEL_NOTICE, .fd = STDERR_FILENO, .process = "dispatchd"};

static const char *level_name(enum log_level level)
{
    static const char *const names[] = {"error", "warning", "notice", "info", "debug"};
    return names[level];
}

static int level_priority(enum log_level level)
{
    static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG};
    return priorities[level];
}

bool log_open(const char *destination, enum log_level level)
{
    int fd = STDERR_FILENO;
    bool to_syslog = strcmp(destination, "syslog") == 0;
    bool to_file = !to_syslog && strcmp(destination, "stderr") != 0;
    if (to_file) {
        if (strlen(destination) >= sizeof log_state.path) {
            errno = ENAMETOOLONG;
            return false;
        }
        fd = open(destination, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
        if (fd < 0)
            return false;
    }
    log_flush();
    if (log_state.path[0])
        close(log_state.fd);
    if (to_syslog)
        openlog("dispatchd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
    log_state.level = level;
    log_state.fd = fd;
    log_state.to_syslog = to_syslog;
    snprintf(log_state.path, sizeof log_state.path, "%s", to_file ? destination : "");
    return true;
}

void log_process(const char *name)
{
    snprintf(log_state.process, sizeof log_state.process, "%s", name);
    log_state.used = 0; /* what was gathered before a fork is the parent's to write */
}

void log_reopen(void)
{
    if (!log_state.path[0])
        return;
    log_flush();
    int fd = open(log_state.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
    if (fd < 0) {
        log_error("the log %s cannot be opened again: %m; going on with the old file", log_state.path);
        return;
    }
    close(log_state.fd);
    log_state.fd = fd;
}

void log_flush(void)
{
    size_t done = 0;
    while (done < log_state.used) {
        ssize_t wrote = write(log_state.fd, log_state.gathered + done, log_state.used - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            break; /* nowhere to say it: a full disk must not stop the service */
        done += (size_t)wrote;
    }
    log_state.used = 0;
}

bool log_wants(enum log_level level)
{
    return level <= log_state.level;
}

/* Control characters come from clients (names, methods): a line must stay one line. */
static size_t escape_controls(char *out, size_t capacity, const char *text)
{
    size_t length = 0;
    for (; *text && length + 5 < capacity; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte >= 0x20 && byte != 0x7f)
            out[length++] = (char)byte;
        else
            length += (size_t)snprintf(out + length, 5, "\\x%02x", byte);
    }
    out[length] = '\0';
    return length;
}

static void gather(const char *line, size_t length)
{
    if (length > sizeof log_state.gathered - log_state.used)
        log_flush();
    memcpy(log_state.gathered + log_state.used, line, length);
    log_state.used += length;
}

static void log_arguments(enum log_level level, const char *format, va_list arguments)
{
    int saved = errno; /* %m */
    char raw[TEXT_BYTES];
    vsnprintf(raw, sizeof raw, format, arguments);
    char text[LINE_BYTES - 256];
    escape_controls(text, sizeof text, raw);
    if (log_state.to_syslog) {
        syslog(level_priority(level), "%s: %s", log_state.process, text);
        errno = saved;
        return;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    static time_t formatted_at = -1;
    static char second[32];
    if (now.tv_sec != formatted_at) {
        struct tm utc;
        gmtime_r(&now.tv_sec, &utc);
        strftime(second, sizeof second, "%Y-%m-%dT%H:%M:%S", &utc);
        formatted_at = now.tv_sec;
    }
    char line[LINE_BYTES];
    int length = snprintf(line, sizeof line, "%s.%03ldZ %s[%d] %s: %s\n", second, now.tv_nsec / 1000000,
                          log_state.process, (int)getpid(), level_name(level), text);
    if (length > 0)
        gather(line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
    if (level <= LOG_LEVEL_ERROR)
        log_flush();
    errno = saved;
}

void log_line(enum log_level level, const char *format, ...)
{
    if (!log_wants(level))
        return;
    va_list arguments;
    va_start(arguments, format);
    log_arguments(level, format, arguments);
    va_end(arguments);
}

void log_fatal(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_arguments(LOG_LEVEL_ERROR, format, arguments);
    va_end(arguments);
    log_flush();
    _exit(1);
}
