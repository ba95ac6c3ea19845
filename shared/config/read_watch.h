#ifndef SHARED_CONFIG_READ_WATCH_H
#define SHARED_CONFIG_READ_WATCH_H

#include "shared/config/reader.h"

/** Reads "watch", the watched directories (may be absent); collections and permissions are known. */
[[gnu::warn_unused_result]] bool config_read_watch(struct config_reader *reader, struct json_value object);

#endif
