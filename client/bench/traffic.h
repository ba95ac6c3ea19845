#ifndef CLIENT_BENCH_TRAFFIC_H
#define CLIENT_BENCH_TRAFFIC_H

#include "client/bench/bench.h"

/**
 * One sender, many subscribers: what the cases fanout, paced and broadcast share. Sends changes, keeping
 * options.in_flight of them under way or options.rate a second, until options.count or options.duration is
 * reached; then waits until everything has arrived (at most 10 s without any progress). Puts its figures into
 * bench->report.
 *
 * @plain: any server that gives every subscriber what was published (an echo to all, nchan): the messages are
 * the documents themselves, their own numbers tell what is lost. Otherwise the changes are inserts into the
 * collection, acknowledged by the server, and "seq" tells.
 *
 * Returns false when something was lost, doubled or out of order.
 */
[[gnu::warn_unused_result]] bool traffic_run(struct bench *bench, bool plain);

#endif
