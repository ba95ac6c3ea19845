#ifndef TESTS_WORKER_GAP_WORLD_H
#define TESTS_WORKER_GAP_WORLD_H

#include "tests/unit/worker/worker_world.h"
#include "worker/session/session.h"

/* A world in which changes are neither in the ring nor in the change log, and what came to its client. */

enum { KEPT = 5, MISSED = 20, SMALL = 64 * 1024 };

/** A call that changes something; to be sent by a client. */
#define INSERT_MINE Q("{'tid':2,'collectionName':'items','methodName':'insert','data':{'_id':'mine'}}")

/** A world whose change log keeps KEPT changes, with three items. @backlog_bytes 0: the default. */
void gap_world_open(struct world *world, uint64_t backlog_bytes);
/** A document of so many bytes, in the place of what was there. */
void gap_put(struct world *world, const char *collection, const char *id, unsigned bytes);

/** The committer commits more than the log keeps, and dies. */
void gap_commit_silently(struct world *world);
/** Its successor publishes what it can. */
void gap_take_over(struct world *world);
/** Both of these. */
void gap_miss(struct world *world);
/** Sends as much as the kernel takes, and the client reads nothing: what comes later waits here. */
void gap_block(struct world *world);

/** Of the one connection there is. */
struct session *gap_session(struct client *client);

/** Where in what came @word is; fails when it is not there. */
size_t gap_place(struct client *client, const char *word);
/** How often @word is in it. */
unsigned gap_count(struct client *client, const char *word);
/** No change with a number over @seq came before `resync`. */
void gap_check_order(struct client *client, uint64_t seq);

/** The number of the last change in the store. */
uint64_t gap_seq(const struct world *world);
/** A sync, after which the client holds what is in the store. */
void gap_sync_again(struct client *client);

#endif
