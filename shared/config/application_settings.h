#ifndef SHARED_CONFIG_APPLICATION_SETTINGS_H
#define SHARED_CONFIG_APPLICATION_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/json/json.h"

/*
 * An application's settings as the configuration declares them, dispatchd.conf(5): `settings` are one for
 * all, `user_settings` each user has for themselves. (dispatchd's own options are in option_table.h.) What is
 * stored is only what somebody has set; a stored value that does not fit its declaration, because that was
 * changed, counts for nothing.
 */

enum {
    SETTING_LIMIT = 256,           /* of one kind */
    SETTING_VALUES = 256,          /* in one list of allowed ones */
    SETTING_STRING_BYTES = 4096,   /* of a string without max_length */
    SETTING_STRING_MOST = 1 << 16, /* the largest max_length */
    SETTING_NUMBER_BYTES = 64,     /* of a number's text */
    SETTINGS_BYTES = 1 << 16       /* of the names, defaults and allowed values of one kind */
};

enum setting_type { SETTING_INTEGER, SETTING_NUMBER, SETTING_STRING, SETTING_BOOLEAN, SETTING_TYPES };

struct config_setting {
    char *name;
    enum setting_type type;
    char *fallback;     /* "default", JSON */
    char *least, *most; /* "min" and "max" of an integer or a number, as they were written; NULL: none */
    size_t length_most; /* "max_length": bytes of a string */
    char **values;      /* JSON; none: all that fit the rest */
    size_t value_count;
};

struct config_settings {
    struct config_setting *list;
    size_t count;
};

enum { SETTING_TEXT = 256, SETTING_MESSAGE = 512 };

/** "integer", ...: the type's name in the configuration. */
const char *config_setting_type_name(enum setting_type type);

/** The declaration of that name, NULL when there is none. */
const struct config_setting *config_settings_find(const struct config_settings *settings, struct slice name);

/** Whether the setting may have this value. */
[[gnu::warn_unused_result]] bool config_setting_fits(const struct config_setting *setting,
                                                     struct json_value value);

/** What it may have, in words: "an integer of at least 1". */
void config_setting_expected(const struct config_setting *setting, char text[SETTING_TEXT]);

/** config_setting_fits() for clients. False: @message is "NAME: expected WHAT, found WHAT". */
[[gnu::warn_unused_result]] bool config_setting_check(const struct config_setting *setting,
                                                      struct json_value value, char message[SETTING_MESSAGE]);

/** Appends a value that fits, as JSON in the one form it is stored and sent in: an integer without fraction
 * and exponent, a string without needless escapes, a number as it was written. */
void config_setting_append(struct buffer *out, const struct config_setting *setting, struct json_value value);

/** Appends an object of all settings: what @stored (an object, or absent) has and fits, else the default. */
void config_settings_append(struct buffer *out, const struct config_settings *settings,
                            struct json_value stored);

/** The same from the text of the stored document. */
void config_settings_append_stored(struct buffer *out, const struct config_settings *settings,
                                   struct slice stored);

void config_settings_free(struct config_settings *settings);

#endif
