#ifndef WORKER_NET_CONNECTION_CLOSE_H
#define WORKER_NET_CONNECTION_CLOSE_H

#include "worker/net/connection.h"

/* How connections end: by their owner (the first two), by their peer, by themselves. */

/** Over HTTP: the exchange is the last on its connection; a request that has not come whole is answered with
 * 503. Otherwise begins the close handshake (RFC 6455 section 7). What is queued before goes out first, and
 * so do the changes up to now, except with code 1008: of a client that broke the rules only the answers are
 * waited for. Nothing when it is closing already. */
void connection_close(struct connection *connection, uint16_t code, const char *reason);

/** Begins the close handshake at once: what is queued is not sent, and if it closes already, only its close
 * frame is. */
void connection_cut(struct connection *connection, uint16_t code, const char *reason);

/** Ends the connection at once: calls closed(), closes the descriptor; it is freed later. */
void connection_gone(struct connection *connection);

/** The answer to a bad handshake is the last thing said. */
void connection_refuse(struct connection *connection, struct slice response);

/** The frames are not to be understood: close with @code and read no more. */
void connection_fail(struct connection *connection, uint16_t code);

/** The peer's close frame came. */
void connection_peer_closed(struct connection *connection, uint16_t code);

/** The peer sends no more. */
void connection_peer_ended(struct connection *connection);

/** Of one that has closed: closes, too, unless answers to its calls are still to come. */
void connection_settle(struct connection *connection);

/** All that is to be said is written: shuts down our side, and waits for the peer's end. */
void connection_linger(struct connection *connection);

/** The deadline has passed. */
void connection_expired(struct connection *connection);

/** From here on it is counted what the peer takes. */
void connection_mark_unread(struct connection *connection);

/** Whether it has taken some since, or there is nothing for it to take; and marks again. */
[[nodiscard]] bool connection_has_taken(struct connection *connection);

#endif
