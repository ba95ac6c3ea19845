#ifndef DAEMON_COMMITTER_PUBLISH_H
#define DAEMON_COMMITTER_PUBLISH_H

#include "daemon/committer/store/write.h"
#include "shared/config/config.h"
#include "shared/ring/ring.h"
#include "shared/store/store.h"

/* From what was committed to the change ring: one record a change, with its frames made once for the whole
 * host. */

struct publisher {
    const struct config *config;
    struct ring *ring;
    struct buffer update_frame, remove_frame; /* of the change at hand */
    struct buffer settings;                   /* all of them, as last published; empty: not known */
    size_t unpublished_bytes;                 /* appended to the ring, about */
};

/** Publishes the changes of one transaction, in their order. */
void publish_changes(struct publisher *publisher, const struct applied_change *changes, size_t count);

/**
 * At the start: has the workers read what the predecessor committed and did not publish, in the change log,
 * where they also see what that does not have any more. A ring that is new starts at the store's last
 * sequence number. False: the store could not be read.
 */
[[gnu::warn_unused_result]] bool publish_missed(struct publisher *publisher, struct store *store);

void publish_free(struct publisher *publisher);

#endif
