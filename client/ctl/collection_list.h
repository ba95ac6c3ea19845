#ifndef CLIENT_CTL_COLLECTION_LIST_H
#define CLIENT_CTL_COLLECTION_LIST_H

#include "client/ctl/ctl.h"

/** @collection: {"name", "state", "documents", "bytes", "indexes"}, as dispatcher.collections gives it. */
typedef void collection_visit(void *argument, struct json_value collection);

/** Calls @visit with each stored collection, in the order of names. False: it was said what failed. */
[[gnu::warn_unused_result]] bool collection_each(const struct ctl *ctl, struct client *client,
                                                 collection_visit *visit, void *argument);

#endif
