#ifndef DAEMON_COMMITTER_APPLY_H
#define DAEMON_COMMITTER_APPLY_H

#include "daemon/committer/intake.h"
#include "daemon/committer/publish.h"
#include "shared/ipc/scoreboard.h"

/* Batches of change sets: one transaction, one sync, published, answered. */

/* A batch ends when its sets have so many bytes; a transaction, when so many units of work (set_work.h) were
 * done in it, and with it the batch takes no more sets. */
enum { APPLY_SETS = 4096, APPLY_BYTES = 16 * 1024 * 1024, APPLY_WORK = 64 * 1024 * 1024 };

struct batch_set {
    struct link *link;
    uint64_t id;
    struct slice set;
};

struct applier {
    struct writer *writer;
    struct publisher *publisher;
    struct scoreboard_committer *row; /* the committer's, which it writes */
    struct intake *intake;            /* where the sets of the batch come from */
    size_t count;
    size_t bytes; /* of all its sets */
    struct batch_set batch[APPLY_SETS];
    bool full;                  /* a set of the batch was refused for want of room */
    uint64_t full_said_ms;      /* when the log last said that the store is full; 0: never */
    void (*after_commit)(void); /* NULL; a test's way to die between commit and publish */
};

/** Takes the sets that wait (up to the bounds above), applies, commits, publishes and answers them. Ends the
 * process when the store cannot go on. False: no set waits. */
bool apply_batch(struct applier *applier, struct intake *intake);

/** Appends to @link->out the stored results of that worker's last sets, if they are of its incarnation, and
 * the welcome. */
void apply_greet(struct applier *applier, struct link *link);

#endif
