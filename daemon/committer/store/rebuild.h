#ifndef DAEMON_COMMITTER_STORE_REBUILD_H
#define DAEMON_COMMITTER_STORE_REBUILD_H

#include "daemon/committer/store/write_open.h"
#include "shared/store/environment.h"

/** Makes minimal documents, tags and indexes of a collection anew, in transactions of their own. A document
 *  that clients see in another way by that gets a new version, in the change log as any change. When the
 *  permissions to see the collection have changed, the change log starts anew: what a client gains or loses
 *  by that is in no document. The indexes' databases must not be open. What is stopped on the way goes on at
 *  the next opening (rebuild_mark.h): when @run says so (->may_go_on), or by the end of the process. @run
 *  NULL: nothing but the latter stops it. */
[[gnu::warn_unused_result]] bool rebuild_collection(struct store *store, const struct store_run *run,
                                                    struct store_collection *collection,
                                                    char message[STORE_MESSAGE]);

#endif
