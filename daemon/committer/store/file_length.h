#ifndef DAEMON_COMMITTER_STORE_FILE_LENGTH_H
#define DAEMON_COMMITTER_STORE_FILE_LENGTH_H

#include "shared/store/environment.h"

/**
 * Whether the file is as long as it says. Reading a page beyond its end would kill the process. A file may
 * rightly end early, when its last pages were never written because they were free again at once: then it is
 * made longer. Otherwise somebody cut it. False: @message says why.
 */
[[gnu::warn_unused_result]] bool file_length_check(struct store *store, char message[STORE_MESSAGE]);

#endif
