#ifndef SHARED_IPC_FDPASS_H
#define SHARED_IPC_FDPASS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Descriptors over a UNIX SOCK_SEQPACKET socket (SCM_RIGHTS), several to a packet: the only file that knows
 * how. */

enum { FDPASS_MOST = 64 }; /* descriptors in one packet; the kernel takes 253 */

/** Sends @length bytes (at least 1) and @count descriptors as one packet, without blocking. The caller keeps
 * its copies and closes them. False with errno (EAGAIN: the receiver is behind). */
[[gnu::warn_unused_result]] bool fdpass_send(int socket, const void *bytes, size_t length,
                                             const int *descriptors, size_t count);

/** Receives one packet without blocking. Returns its length, 0 at the end (the peer is gone), -1 with errno
 * (EAGAIN: nothing there; EBADMSG: it was cut off, since this process may have no more descriptors or the
 * packet was too long: all descriptors in it are closed, @bytes has what came of it, and the channel goes
 * on). Descriptors are close-on-exec. */
[[gnu::warn_unused_result]] ssize_t fdpass_receive(int socket, void *bytes, size_t capacity,
                                                   int descriptors[FDPASS_MOST], size_t *count);

#endif
