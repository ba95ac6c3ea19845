#ifndef SHARED_IPC_INHERITANCE_H
#define SHARED_IPC_INHERITANCE_H

#include "shared/config/config.h"
#include "shared/ipc/scoreboard.h"
#include "shared/ring/ring.h"

/* All that a fork hands down to a child. Everything else is closed in the child before it starts to work. */
struct inheritance {
    const struct config *config;
    struct scoreboard *scoreboard;
    struct ring *ring;
    uint64_t epoch;    /* of this run of the server: history.h */
    unsigned slot;     /* a worker's; 0 for others */
    int order_channel; /* to the master: orders.h */
};

/** The worker process, from after the fork to its end; returns its exit status. worker/main.c */
int worker_main(const struct inheritance *inheritance);

/** The committer process. daemon/committer/committer.c */
int committer_main(const struct inheritance *inheritance);

/** The watcher process. daemon/watcher/watcher.c */
int watcher_main(const struct inheritance *inheritance);

#endif
