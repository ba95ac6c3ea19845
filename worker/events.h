#ifndef WORKER_EVENTS_H
#define WORKER_EVENTS_H

#include "worker/authority/authority.h"
#include "worker/net/connection.h"
#include "worker/net/network.h"

/*
 * What earlier rooms tell later ones: they call back by these tables, and include nothing of them. The
 * context of the network's is the worker.
 */

extern const struct network_events events_of_network;
extern const struct authority_events events_of_authority;

/** Whether results of the committer may be read: what changed before them has been taken in. */
bool events_link_may_read(struct worker *worker);

#endif
