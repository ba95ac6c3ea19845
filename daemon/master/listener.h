#ifndef DAEMON_MASTER_LISTENER_H
#define DAEMON_MASTER_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

/* The sockets on which clients arrive. They are bound at the start, while the master may still use low ports,
 * and listen only when the workers are ready. */

enum { LISTENER_MOST = 64, LISTENER_NAME = 72, LISTENER_BACKLOG = 4096, LISTENER_MESSAGE = 512 };

struct listener {
    int fd;
    char name[LISTENER_NAME]; /* "127.0.0.1:9950", "[::1]:9950": with the actual port */
};

struct listeners {
    size_t count;
    struct listener items[LISTENER_MOST];
};

/** Splits "ADDRESS:PORT", "[V6]:PORT" or "*:PORT" into @host (empty for "*") and @port. False: it is none of
 * these. */
[[gnu::warn_unused_result]] bool listener_split(const char *text, char *host, size_t host_bytes, char *port,
                                                size_t port_bytes);

/** Binds every address. IPv6 sockets take IPv6 alone. False: @message is one clear line, nothing remains
 * open. */
[[gnu::warn_unused_result]] bool listeners_bind(struct listeners *listeners, char *const *addresses,
                                                size_t count, char message[LISTENER_MESSAGE]);

/** Begins to listen on all of them. False: @message is one clear line (another program listens there). */
[[gnu::warn_unused_result]] bool listeners_listen(struct listeners *listeners,
                                                  char message[LISTENER_MESSAGE]);

void listeners_close(struct listeners *listeners);

#endif
