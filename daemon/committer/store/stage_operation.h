#ifndef DAEMON_COMMITTER_STORE_STAGE_OPERATION_H
#define DAEMON_COMMITTER_STORE_STAGE_OPERATION_H

#include "daemon/committer/store/change_set_apply.h"
#include "daemon/committer/store/writer.h"

/** Checks one operation against what is there and what the set has staged, and stages what it does. */
enum error_code stage_operation(struct writer *writer, const struct change *change,
                                char message[APPLY_MESSAGE]);

/** Forgets what is staged: it has been put (@applied), or the set failed. */
void stage_clear(struct writer *writer, bool applied);

#endif
