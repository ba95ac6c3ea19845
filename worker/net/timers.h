#ifndef WORKER_NET_TIMERS_H
#define WORKER_NET_TIMERS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The times of all connections of a worker on one timer. Deadlines lie in a wheel of slots by their time;
 * setting and calling one off costs the same however many there are. Pings have a second wheel, over whose
 * slots the connections are dealt out evenly, so that a thousand clients that came at once are not pinged at
 * once.
 */

struct connection;
struct network;
struct timers;

/** @ping_interval_ms 0: no pings. */
struct timers *timers_create(struct event_base *base, struct network *network, uint64_t ping_interval_ms);
void timers_free(struct timers **timers);

/** The timer runs only while there are connections. */
void timers_run(struct timers *timers, bool run);

/** connection_expired() is called in @after_ms, instead of at what was set before. 0: never. */
void timers_deadline(struct timers *timers, struct connection *connection, uint64_t after_ms);

/** connection_ping() is called once in every interval from now on. */
void timers_ping_start(struct timers *timers, struct connection *connection);
void timers_ping_stop(struct timers *timers, struct connection *connection);

#endif
