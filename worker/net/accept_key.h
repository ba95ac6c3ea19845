#ifndef WORKER_NET_ACCEPT_KEY_H
#define WORKER_NET_ACCEPT_KEY_H

#include "shared/base/slice.h"

enum { ACCEPT_KEY_LENGTH = 28, CLIENT_KEY_LENGTH = 24 };

/** Sec-WebSocket-Accept for a Sec-WebSocket-Key of CLIENT_KEY_LENGTH bytes: RFC 6455 section 4.2.2, with a
 * NUL. */
void accept_key(struct slice client_key, char out[ACCEPT_KEY_LENGTH + 1]);

#endif
