#include "shared/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "shared/base/log_output.h"

/* A text, of which every byte may become four, its head and the end of the line fit into LINE_BYTES. */
enum { LINE_BYTES = 8192, HEAD_BYTES = 256, TEXT_BYTES = 1500 };

static struct {
    enum log_level level;
    char process[64];
    char origin[96]; /* "PROCESS[PID] ", of this process; empty: not yet known */
    char gathered[LOG_GATHERED_BYTES];
    size_t used;
    uint64_t dropped; /* lines for which there was no room, since the last one that is gathered */
} log_state = {.level = LOG_LEVEL_NOTICE, .process = "dispatchd"};

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
    log_flush();
    if (!log_output_open(destination))
        return false;
    log_state.level = level;
    return true;
}

int log_descriptor(void)
{
    return log_output_descriptor();
}

bool log_give(uid_t uid, gid_t gid)
{
    struct stat status;
    if (!log_output_path()[0])
        return true;
    if (fstat(log_output_descriptor(), &status) != 0)
        return false;
    if (!S_ISREG(status.st_mode) || status.st_uid == uid)
        return true;
    if (status.st_nlink != 1) {
        errno = EMLINK;
        return false;
    }
    return fchown(log_output_descriptor(), uid, gid) == 0;
}

/* The process has the same name and number in each line. */
static void make_origin(void)
{
    snprintf(log_state.origin, sizeof log_state.origin, "%s[%d] ", log_state.process, (int)getpid());
}

void log_process(const char *name)
{
    snprintf(log_state.process, sizeof log_state.process, "%s", name);
    make_origin();
    log_state.used = 0; /* what was gathered before a fork is the parent's to write, and to count */
    log_state.dropped = 0;
}

bool log_reopen(void)
{
    if (!log_output_path()[0]) {
        log_notice("the log is not a file: there is nothing to open again");
        return false;
    }
    log_flush();
    if (log_output_reopen())
        return true;
    log_error("the log %s cannot be opened again: %m; the old file stays in use", log_output_path());
    return false;
}

static bool write_gathered(void)
{
    size_t done = 0, wrote = 1;
    while (done < log_state.used && wrote > 0)
        done += wrote = log_output_write(log_state.gathered + done, log_state.used - done);
    log_state.used -= done;
    memmove(log_state.gathered, log_state.gathered + done, log_state.used);
    return log_state.used == 0;
}

bool log_wants(enum log_level level)
{
    return level <= log_state.level;
}

/* Control characters come from clients (names, methods): a line must stay one line. */
static size_t escape_controls(char *out, size_t capacity, struct slice text)
{
    size_t length = 0;
    for (size_t i = 0; i < text.length && length + 5 < capacity; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte >= 0x20 && byte != 0x7f)
            out[length++] = (char)byte;
        else
            length += (size_t)snprintf(out + length, 5, "\\x%02x", byte);
    }
    out[length] = '\0';
    return length;
}

static bool has_controls(struct slice text)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t found = 0;
    size_t at = 0;
    for (; text.length - at >= sizeof ones; at += sizeof ones) {
        uint64_t word, del;
        memcpy(&word, text.data + at, sizeof word);
        del = word ^ ones * 0x7f;
        /* The top bit of each byte that is below 0x20, or 0x7f; perhaps of one after it, too. */
        found |= ((word - ones * 0x20) & ~word) | ((del - ones) & ~del);
    }
    if (found & tops)
        return true;
    for (; at < text.length; at++)
        if ((unsigned char)text.data[at] < 0x20 || text.data[at] == 0x7f)
            return true;
    return false;
}

static char *append_text(char *out, const char *text, size_t length)
{
    memcpy(out, text, length);
    return out + length;
}

static char *put_text(char *out, const char *text)
{
    return append_text(out, text, strlen(text));
}

/* "TIME PROCESS[PID] LEVEL: "; HEAD_BYTES hold it. */
static char *put_head(char *out, enum log_level level)
{
    static time_t formatted_at = -1;
    static char second[32];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != formatted_at) {
        struct tm utc;
        gmtime_r(&now.tv_sec, &utc);
        strftime(second, sizeof second, "%Y-%m-%dT%H:%M:%S", &utc);
        formatted_at = now.tv_sec;
    }
    unsigned ms = (unsigned)(now.tv_nsec / 1000000);
    const char fraction[] = {
        '.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10), 'Z', ' '};
    if (!log_state.origin[0])
        make_origin();
    out = put_text(out, second);
    out = append_text(out, fraction, sizeof fraction);
    out = put_text(out, log_state.origin);
    out = put_text(out, level_name(level));
    return append_text(out, ": ", 2);
}

/* "<PRIORITY>TIME NAME[PID]: PROCESS: ", as syslog(3) has it (RFC 3164, section 4.1); the level is in the
 * priority. */
static char *put_syslog_head(char *out, enum log_level level)
{
    time_t now = time(NULL);
    struct tm local;
    char second[32];
    localtime_r(&now, &local);
    strftime(second, sizeof second, "%b %e %H:%M:%S", &local);
    return out + snprintf(out, HEAD_BYTES, "<%d>%s dispatchd[%d]: %s: ", LOG_DAEMON | level_priority(level),
                          second, (int)getpid(), log_state.process);
}

static void put_line(enum log_level level, struct slice text)
{
    char *line = log_state.gathered + log_state.used;
    char *end = log_output_is_syslog() ? put_syslog_head(line, level) : put_head(line, level);
    end = append_text(end, text.data, text.length);
    *end++ = '\n';
    log_state.used += (size_t)(end - line);
}

static bool log_has_room(size_t lines)
{
    return sizeof log_state.gathered - log_state.used >= lines * LINE_BYTES;
}

/* In their place. */
static void say_dropped(void)
{
    char text[64];
    int length = snprintf(text, sizeof text, "%" PRIu64 " lines were dropped", log_state.dropped);
    log_state.dropped = 0;
    put_line(LOG_LEVEL_WARNING, slice_of(text, (size_t)length));
}

void log_flush(void)
{
    if (!write_gathered() || log_state.dropped == 0)
        return;
    say_dropped();
    (void)write_gathered();
}

bool log_waits(void)
{
    return log_state.used > 0;
}

void log_finish(void)
{
    enum { TRIES = 10, WAIT_MS = 20 };
    log_flush();
    for (unsigned i = 0; i < TRIES && log_waits(); i++) {
        nanosleep(&(struct timespec){.tv_nsec = WAIT_MS * 1000000L}, NULL);
        log_flush();
    }
}

/* What cannot be written waits, as long as there is room. */
static void gather_text(enum log_level level, struct slice text)
{
    if (!log_has_room(1))
        log_flush();
    if (!log_has_room(log_state.dropped > 0 ? 2 : 1)) {
        log_state.dropped++;
        return;
    }
    if (log_state.dropped > 0)
        say_dropped();
    put_line(level, text);
    if (level <= LOG_LEVEL_ERROR)
        log_flush();
}

void log_text(enum log_level level, struct slice text)
{
    if (!log_wants(level))
        return;
    int saved = errno;
    char escaped[LINE_BYTES - HEAD_BYTES];
    if (text.length > TEXT_BYTES)
        text.length = TEXT_BYTES;
    if (has_controls(text)) {
        size_t length = escape_controls(escaped, sizeof escaped, text);
        text = slice_of(escaped, length);
    }
    gather_text(level, text);
    errno = saved;
}

static void log_arguments(enum log_level level, const char *format, va_list arguments)
{
    char text[TEXT_BYTES + 1];
    int length = vsnprintf(text, sizeof text, format, arguments); /* errno is still the caller's: %m */
    if (length > 0)
        log_text(level, slice_of(text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1));
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
    log_finish();
    _exit(1);
}
