#ifndef WORKER_NET_CONNECTION_HALF_READ_H
#define WORKER_NET_CONNECTION_HALF_READ_H

#include "worker/net/connection.h"

/* Memory of what has come in part. */

/** Bytes that one message may have. */
uint64_t connection_message_most(const struct connection *connection);

/** Whether a message of more than that may be one of somebody who has logged in when it is taken: it is
 * after what may be a log-in. */
bool connection_may_have_more(const struct connection *connection, uint64_t bytes);

/** Counts what it holds of what has come in part, after that has changed. False: it is of one that has not
 * logged in, and all of these hold too much. */
[[gnu::warn_unused_result]] bool connection_count_half_read(struct connection *connection);

/** Bytes that its owner was given and has not got to. */
size_t connection_kept_by_owner(const struct connection *connection);

/** It holds nothing any more, or is counted anew as another's. */
void connection_uncount_half_read(struct connection *connection);

/** Counts anew when it holds no more than before, or the same as another's: whether that is too much is asked
 * when more comes. */
void connection_recount_half_read(struct connection *connection);

#endif
