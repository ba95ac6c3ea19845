#ifndef TESTS_WORKER_RIGHTS_MODEL_H
#define TESTS_WORKER_RIGHTS_MODEL_H

#include "tests/unit/worker/worker_world.h"

/* Users whose rights change at random, documents that do, and what each user may hold: whatever a client is
 * sent, and whatever it holds in the end, is compared with it. */

enum { DOCUMENTS = 150, USERS = 3, GROUPS = 3, ALLOWED = 1 << 20 };

/* The rights as the test has set them. */
struct model {
    struct world world;
    uint64_t random;
    bool member[USERS][GROUPS], administrator[USERS];
    bool exists[GROUPS], p[GROUPS], q[GROUPS];
    struct client client[USERS];
    char token[USERS][64];
    uint64_t epoch, seq[USERS];
    bool seen[USERS][3][DOCUMENTS];                           /* it was allowed to hold it at some moment */
    uint64_t text_seq[3][DOCUMENTS], text_hash[3][DOCUMENTS]; /* of the newest versions */
    uint64_t allowed[ALLOWED]; /* a hash table of what each was allowed to hold; 0: nothing */
    unsigned resyncs, cuts;
};

/** @seed says which history; DISPATCHD_TEST_SEED gives others. @ring_bytes 0: the default. */
void model_open(struct model *model, uint64_t seed, uint64_t ring_bytes);
void model_close(struct model *model);

/** A number below @below. */
unsigned model_chance(struct model *model, unsigned below);

/** One change: of rights in so many cases of ten, otherwise of a document. */
void model_change(struct model *model, unsigned rights_of_ten);
/** Some changes, while clients read a little now and then. */
void model_go_on(struct model *model, unsigned steps, unsigned rights_of_ten);

/** Cut off wherever it is; comes back after some more changes. */
void model_stay_away(struct model *model, unsigned user);
/** A sync that goes on while rights change. (Its answer may be that a collection may not be synced any more.) */
void model_begin_sync(struct model *model, unsigned user);

/** Each client reads all, comes back if it was cut off, syncs if it was told to, and then holds exactly what it may
 * see, and was told of nothing else. */
void model_settle_and_check(struct model *model);

#endif
