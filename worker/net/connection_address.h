#ifndef WORKER_NET_CONNECTION_ADDRESS_H
#define WORKER_NET_CONNECTION_ADDRESS_H

#include "worker/net/connection.h"

/** "192.0.2.1:4711", "[2001:db8::1]:4711" or "local". */
const char *connection_address(const struct connection *connection, char text[64]);

/** The CONNECTION_NETWORK bytes that stand for where the client is, for counts: of an IPv6 client its /64
 * network. */
void connection_network(const struct connection *connection, char network[CONNECTION_NETWORK]);

#endif
