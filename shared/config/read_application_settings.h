#ifndef SHARED_CONFIG_READ_APPLICATION_SETTINGS_H
#define SHARED_CONFIG_READ_APPLICATION_SETTINGS_H

#include "shared/config/reader.h"

/** Reads "settings" or "user_settings" (@key; may be absent). */
[[gnu::warn_unused_result]] bool config_read_application_settings(struct config_reader *reader,
                                                                  struct json_value object, const char *key,
                                                                  struct config_settings *settings);

#endif
