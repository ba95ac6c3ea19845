#ifndef TESTS_UNIT_NET_PINGS_SCENE_H
#define TESTS_UNIT_NET_PINGS_SCENE_H

#include "tests/unit/worker/net/network_world.h"
#include "worker/net/connection_pings.h"
#include "worker/net/connection_write.h"
#include "worker/net/frame_write.h"
#include "worker/net/network.h"
#include "worker/net/network_state.h"

/*
 * One connection that sees one of two collections, and the story of what came on it: for tests of the
 * message `ping`.
 */

enum { SHOWN, HIDDEN, EPOCH = 4711 };

extern struct world world;
extern struct peer peer;
extern struct connection *connection;
extern struct buffer story; /* "change 1, ping 2, ": what came */

int pings_set_up(void **state);
int pings_tear_down(void **state);

/** The next change, of this collection, in a frame that is so many bytes longer than it need be. */
void pings_change_of(uint16_t collection, size_t bytes);
/** The same of what is shown. */
void pings_change(void);

void pings_authorize(void);
/** The time of a ping; the peer is alive. */
void pings_tick(void);

/** What has come whole becomes part of the story. */
void pings_take_frames(void);
/** The story is exactly @expected, and nothing more comes; forgets it. */
void pings_expect(const char *expected);

#endif
