#ifndef SHARED_CONFIG_READ_COLLECTIONS_H
#define SHARED_CONFIG_READ_COLLECTIONS_H

#include "shared/config/reader.h"

/** Reads "permissions" and "collections" (either may be absent). */
[[gnu::warn_unused_result]] bool config_read_permissions(struct config_reader *reader,
                                                         struct json_value list);
[[gnu::warn_unused_result]] bool config_read_collections(struct config_reader *reader,
                                                         struct json_value object);

/** The number of a declared permission; -1 after an error. */
[[gnu::warn_unused_result]] int config_read_permission(struct config_reader *reader, struct json_value value);

/** Whether a name means something else on the wire. */
bool config_name_is_reserved(struct slice name);

#endif
