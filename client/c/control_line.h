#ifndef CLIENT_C_CONTROL_LINE_H
#define CLIENT_C_CONTROL_LINE_H

#include <stdbool.h>

#include "shared/base/buffer.h"

/* The control socket's questions of one line: "status" and "stop". dispatchctl(8). */

enum { CONTROL_LINE_MESSAGE = 300 };

/**
 * Sends the line @word to the control socket at @path and appends the one line of the answer (without its
 * end) to
 * @answer. Returns the connection, which the caller closes, or -1 with one line in @message: nobody there, no
 * answer within @timeout_ms, or the answer is {"error":...}.
 */
[[gnu::warn_unused_result]] int control_line_ask(const char *path, const char *word, int timeout_ms,
                                                 struct buffer *answer, char message[CONTROL_LINE_MESSAGE]);

/** Waits until the other side closes the connection: the service is gone. False: it still is there. */
[[gnu::warn_unused_result]] bool control_line_wait(int fd, int timeout_ms);

#endif
