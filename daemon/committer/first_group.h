#ifndef DAEMON_COMMITTER_FIRST_GROUP_H
#define DAEMON_COMMITTER_FIRST_GROUP_H

#include <stdbool.h>

#include "shared/config/config.h"

struct writer;

/** Makes the group administrator in a store that has none: it is there before any worker is. False: that
 * failed, and the log says why. */
[[gnu::warn_unused_result]] bool first_group_make(struct writer *writer, const struct config *config);

#endif
