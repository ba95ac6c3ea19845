#include "shared/config/application_settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/json/compare.h"
#include "shared/json/number.h"

enum { SHOWN_VALUES_BYTES = 160 }; /* a longer list of values is not repeated in a message */

const char *config_setting_type_name(enum setting_type type)
{
    static const char *const names[SETTING_TYPES] = {
        [SETTING_INTEGER] = "integer",
        [SETTING_NUMBER] = "number",
        [SETTING_STRING] = "string",
        [SETTING_BOOLEAN] = "boolean",
    };
    return names[type];
}

const struct config_setting *config_settings_find(const struct config_settings *settings, struct slice name)
{
    for (size_t i = 0; i < settings->count; i++)
        if (slice_equal(slice_text(settings->list[i].name), name))
            return &settings->list[i];
    return NULL;
}

static bool number_fits(const struct config_setting *setting, struct json_value value)
{
    struct slice text = json_text(value);
    int64_t integer;
    return json_type(value) == JSON_NUMBER && text.length <= SETTING_NUMBER_BYTES &&
           (setting->type == SETTING_NUMBER || json_integer(value, &integer)) &&
           (!setting->least || json_number_compare(text, slice_text(setting->least)) >= 0) &&
           (!setting->most || json_number_compare(text, slice_text(setting->most)) <= 0);
}

static bool string_fits(const struct config_setting *setting, struct json_value value)
{
    struct buffer scratch = {0};
    struct slice text = json_string(value, &scratch);
    bool fits = text.data && text.length <= setting->length_most;
    buffer_free(&scratch);
    return fits;
}

static bool is_value(const char *text, struct json_value value)
{
    struct json json = {0};
    bool same = json_parse(&json, text, strlen(text)) && json_equal(json_root(&json), value);
    json_free(&json);
    return same;
}

static bool is_among_values(const struct config_setting *setting, struct json_value value)
{
    for (size_t i = 0; i < setting->value_count; i++)
        if (is_value(setting->values[i], value))
            return true;
    return setting->value_count == 0;
}

bool config_setting_fits(const struct config_setting *setting, struct json_value value)
{
    bool boolean, fits = false;
    switch (setting->type) {
    case SETTING_INTEGER:
    case SETTING_NUMBER:
        fits = number_fits(setting, value);
        break;
    case SETTING_STRING:
        fits = string_fits(setting, value);
        break;
    case SETTING_BOOLEAN:
        fits = json_boolean(value, &boolean);
        break;
    case SETTING_TYPES:
        break;
    }
    return fits && is_among_values(setting, value);
}

/* False: there are too many to repeat. */
static bool values_expected(const struct config_setting *setting, char text[SETTING_TEXT])
{
    struct buffer list = {0};
    for (size_t i = 0; i < setting->value_count; i++)
        buffer_append_format(&list, "%s%s", i ? ", " : "", setting->values[i]);
    bool shown = list.length <= SHOWN_VALUES_BYTES;
    if (shown)
        snprintf(text, SETTING_TEXT, "%s%.*s", setting->value_count > 1 ? "one of " : "", (int)list.length,
                 list.data);
    buffer_free(&list);
    return shown;
}

static void number_expected(const struct config_setting *setting, char text[SETTING_TEXT])
{
    const char *what = setting->type == SETTING_INTEGER ? "an integer" : "a number";
    if (setting->least && setting->most)
        snprintf(text, SETTING_TEXT, "%s from %s to %s", what, setting->least, setting->most);
    else if (setting->least)
        snprintf(text, SETTING_TEXT, "%s of at least %s", what, setting->least);
    else if (setting->most)
        snprintf(text, SETTING_TEXT, "%s of at most %s", what, setting->most);
    else
        snprintf(text, SETTING_TEXT, "%s%s", what,
                 setting->type == SETTING_INTEGER ? " of 64 bits" : " of at most 64 characters");
}

void config_setting_expected(const struct config_setting *setting, char text[SETTING_TEXT])
{
    if (setting->value_count && values_expected(setting, text))
        return;
    if (setting->value_count)
        snprintf(text, SETTING_TEXT, "one of the %zu values that are declared", setting->value_count);
    else if (setting->type == SETTING_STRING)
        snprintf(text, SETTING_TEXT, "a string of at most %zu bytes", setting->length_most);
    else if (setting->type == SETTING_BOOLEAN)
        snprintf(text, SETTING_TEXT, "true or false");
    else
        number_expected(setting, text);
}

bool config_setting_check(const struct config_setting *setting, struct json_value value,
                          char message[SETTING_MESSAGE])
{
    if (config_setting_fits(setting, value))
        return true;
    char expected[SETTING_TEXT];
    config_setting_expected(setting, expected);
    struct slice text = json_text(value);
    /* A number is repeated, a text may be anything. */
    if (json_type(value) == JSON_NUMBER && text.length <= SETTING_NUMBER_BYTES)
        snprintf(message, SETTING_MESSAGE, "%s: expected %s, found %.*s", setting->name, expected,
                 (int)text.length, text.data);
    else if (json_type(value) == JSON_STRING && setting->type == SETTING_STRING)
        snprintf(message, SETTING_MESSAGE, "%s: expected %s, found another value", setting->name, expected);
    else
        snprintf(message, SETTING_MESSAGE, "%s: expected %s, found %s", setting->name, expected,
                 json_type_name(json_type(value)));
    return false;
}

void config_setting_append(struct buffer *out, const struct config_setting *setting, struct json_value value)
{
    struct buffer scratch = {0};
    int64_t integer;
    if (setting->type == SETTING_INTEGER && json_integer(value, &integer))
        buffer_append_signed(out, integer);
    else if (setting->type == SETTING_STRING)
        json_append_string(out, json_string(value, &scratch));
    else
        json_append_compact(out, value);
    buffer_free(&scratch);
}

void config_settings_append(struct buffer *out, const struct config_settings *settings,
                            struct json_value stored)
{
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < settings->count; i++) {
        const struct config_setting *setting = &settings->list[i];
        struct json_value value = json_member(stored, slice_text(setting->name));
        buffer_append_format(out, "%s\"%s\":", i ? "," : "", setting->name);
        if (config_setting_fits(setting, value))
            config_setting_append(out, setting, value);
        else
            buffer_append_text(out, setting->fallback);
    }
    buffer_append_byte(out, '}');
}

void config_settings_append_stored(struct buffer *out, const struct config_settings *settings,
                                   struct slice stored)
{
    struct json json = {0};
    struct json_value document = {0};
    if (stored.length && json_parse(&json, stored.data, stored.length))
        document = json_root(&json);
    config_settings_append(out, settings, document);
    json_free(&json);
}

void config_settings_free(struct config_settings *settings)
{
    for (size_t i = 0; i < settings->count; i++) {
        struct config_setting *setting = &settings->list[i];
        for (size_t v = 0; v < setting->value_count; v++)
            free(setting->values[v]);
        free(setting->values);
        free(setting->name);
        free(setting->fallback);
        free(setting->least);
        free(setting->most);
    }
    free(settings->list);
    *settings = (struct config_settings){0};
}
