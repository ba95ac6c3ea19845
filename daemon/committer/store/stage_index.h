#ifndef DAEMON_COMMITTER_STORE_STAGE_INDEX_H
#define DAEMON_COMMITTER_STORE_STAGE_INDEX_H

#include "daemon/committer/store/stage.h"

/** Stages how the indexes change, and checks that unique values are. @next: the new document;
 * absent when it is removed. */
enum error_code stage_indexes(struct stage *stage, struct staged *staged, struct json_value next);

#endif
