#ifndef CLIENT_C_WS_TARGET_H
#define CLIENT_C_WS_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum { WS_TARGET_RESOURCE = 512, WS_TARGET_HOST = 256, WS_TARGET_MESSAGE = 200 };

/** Where to connect to: a TCP address and a resource, or the control socket of a dispatchd on this
 * machine. */
struct ws_target {
    bool control; /* a UNIX stream socket on which the line "session" goes first */
    struct sockaddr_storage address;
    socklen_t address_length;
    char host[WS_TARGET_HOST];         /* as the Host header has it */
    char resource[WS_TARGET_RESOURCE]; /* path and query */
};

/**
 * Reads "ws://HOST[:PORT][/PATH]", "HOST:PORT" (path /ws), or "unix:PATH" (the control socket). Looks the
 * name up (blocks). False: @message says what is wrong.
 */
[[gnu::warn_unused_result]] bool ws_target_parse(struct ws_target *target, const char *url,
                                                 char message[WS_TARGET_MESSAGE]);

/** The control socket at @path. False: the path is too long for a socket's name. */
[[gnu::warn_unused_result]] bool ws_target_control(struct ws_target *target, const char *path,
                                                   char message[WS_TARGET_MESSAGE]);

/**
 * A non-blocking socket on its way to the target (connect(2) may be in progress); -1 with errno. @source > 0:
 * from the loopback address 127.0.0.@source when the target is one too, so that a run with very many short
 * connections does not run out of ports.
 */
[[gnu::warn_unused_result]] int ws_target_connect(const struct ws_target *target, unsigned source);

#endif
