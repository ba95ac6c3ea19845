#ifndef DAEMON_MASTER_CONTROL_H
#define DAEMON_MASTER_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/master/service_user.h"
#include "shared/base/buffer.h"

struct event_base;

/*
 * The control socket, dispatchctl(8)'s way in; the file's permissions guard it. A client sends one line:
 * "status" is answered with one line of JSON; "stop" begins the orderly stop, is answered, and its connection
 * stays open until the master has ended; "session" hands the connection to a worker, which speaks WebSocket
 * on it. What is wrong is answered with {"error":"..."}.
 */

enum { CONTROL_CLIENTS = 32, CONTROL_LINE = 64, CONTROL_DEADLINE_MS = 5000, CONTROL_MESSAGE = 512 };

enum control_command { CONTROL_UNKNOWN, CONTROL_STATUS, CONTROL_STOP, CONTROL_SESSION };

/** What a line (without its line feed) asks for. */
enum control_command control_parse(const char *line, size_t length);

/**
 * Makes the socket of @user, with @mode (permission bits). A socket that a dead
 * master left is replaced; one that somebody answers is not. Returns a listening descriptor, or -1: @message
 * is one line.
 */
[[gnu::warn_unused_result]] int control_bind(const char *path, uint64_t mode, const struct service_user *user,
                                             char message[CONTROL_MESSAGE]);

struct control_callbacks {
    void (*status)(void *context, struct buffer *out); /* appends a JSON object */
    void (*stop)(void *context);
    bool (*session)(void *context, int fd); /* false: no worker can take it, @fd remains the caller's */
};

struct control;

/** Serves @fd, which it takes over. */
[[gnu::warn_unused_result]] struct control *
control_create(struct event_base *base, int fd, const struct control_callbacks *callbacks, void *context);

/** Closes all connections and the socket; the file is the caller's to remove. */
void control_free(struct control **control);

#endif
