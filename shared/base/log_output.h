#ifndef SHARED_BASE_LOG_OUTPUT_H
#define SHARED_BASE_LOG_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Where the lines of the log go: log.c's own. Nothing here waits for who reads them. That must hold for this
 * process alone: a pipe or a terminal is shared with whoever started it, and so would be O_NONBLOCK, so it is
 * opened anew.
 */

/** Opens "stderr", "syslog" or the path of a file, in the place of what was open; false with errno, and that
 * stays. */
[[gnu::warn_unused_result]] bool log_output_open(const char *destination);

/** The same file again, by its name. False with errno: it is not a file, or cannot be opened; the old one
 * stays. */
[[gnu::warn_unused_result]] bool log_output_reopen(void);

/** The path of the file; empty when it is none. */
const char *log_output_path(void);

/** -1: none is open. */
int log_output_descriptor(void);

bool log_output_is_syslog(void);

/** Takes as much as can be written now of @bytes, which end with a line; returns how much, perhaps a part of
 * a line. 0: nothing can. */
size_t log_output_write(const char *bytes, size_t length);

#endif
