#ifndef SHARED_BASE_LOG_H
#define SHARED_BASE_LOG_H

#include <stdbool.h>
#include <sys/types.h>

#include "shared/base/slice.h"

/*
 * The log of every process. A line is "TIME PROCESS[PID] LEVEL: TEXT" (syslog adds its own time). Lines at
 * level error and above are written at once; others are gathered and written by log_flush(), which a process
 * calls once in every pass of its loop, or when LOG_GATHERED_BYTES are waiting. What nobody takes, or what
 * there is no room for on the disk, waits; lines beyond LOG_GATHERED_BYTES are dropped and counted, and a
 * line says so in their place. No process waits for its log. Control characters in the text are shown as
 * \xNN.
 */

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum { LOG_GATHERED_BYTES = 65536 };

/**
 * Opens the log. @destination: "stderr", "syslog", or the absolute path of a file that is appended to.
 * Without a call the log goes to stderr at level notice. Returns false with errno when the file cannot be
 * opened.
 */
[[gnu::warn_unused_result]] bool log_open(const char *destination, enum log_level level);

/** Of the log, for who closes all others. -1: none is open. */
int log_descriptor(void);

/** Gives the file to a user. What is no file, or is that user's, stays as it is. False with errno (EMLINK:
 * the file has another name, and may be something else). */
[[gnu::warn_unused_result]] bool log_give(uid_t uid, gid_t gid);

/** The word that names this process in each line ("master", "worker 0", ...); copied. Call again after a
 * fork. */
void log_process(const char *name);

/** Opens the file again under its name (after it was rotated). False: it is no file or cannot be opened; the log
 * goes on where it was, and a line there says so. */
bool log_reopen(void);

void log_flush(void);

enum { LOG_RETRY_MS = 50 };

/** Whether something could not be written: call log_flush() again after LOG_RETRY_MS, whatever happens. */
bool log_waits(void);

/** At the end of a process: what waits is given a fifth of a second more. */
void log_finish(void);

/** Whether a line at @level would be written: ask before making an expensive text. */
bool log_wants(enum log_level level);

[[gnu::format(printf, 2, 3)]] void log_line(enum log_level level, const char *format, ...);

/** The same with a text that is already made: for the lines there are many of. At most 1500 bytes of it are
 * shown. */
void log_text(enum log_level level, struct slice text);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/** For start-up and for broken invariants only: writes the line and ends the process with status 1. */
[[gnu::noreturn, gnu::format(printf, 1, 2)]] void log_fatal(const char *format, ...);

#endif
