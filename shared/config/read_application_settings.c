#include "shared/config/read_application_settings.h"

#include "shared/config/reader.h"
#include "shared/json/number.h"

#include <assert.h>
#include <string.h>

#include "shared/base/memory.h"
#include "shared/json/compare.h"

static char *copy_json(struct json_value value)
{
    struct slice text = json_text(value);
    return memory_copy(text.data, text.length);
}

static char *copy_canonical(const struct config_setting *setting, struct json_value value)
{
    struct buffer text = {0};
    config_setting_append(&text, setting, value);
    char *copy = memory_copy(text.data, text.length);
    buffer_free(&text);
    return copy;
}

static bool is_numeric(const struct config_setting *setting)
{
    return setting->type == SETTING_INTEGER || setting->type == SETTING_NUMBER;
}

/* The one way to refuse a value that does not fit its own declaration. */
static bool not_fitting(struct config_reader *reader, const struct config_setting *setting,
                        struct json_value value)
{
    char expected[SETTING_TEXT];
    config_setting_expected(setting, expected);
    return config_expected(reader, value, "%s", expected);
}

static bool read_type(struct config_reader *reader, struct json_value value, struct config_setting *setting)
{
    struct nearest nearest = nearest_to(config_string(reader, value));
    for (int type = 0; type < SETTING_TYPES; type++) {
        const char *name = config_setting_type_name((enum setting_type)type);
        setting->type = (enum setting_type)type;
        if (json_string_is(value, slice_text(name)))
            return true;
        if (json_type(value) == JSON_STRING)
            nearest_offer(&nearest, name);
    }
    return nearest.best ? config_expected(reader, value, "a type, perhaps \"%s\"", nearest.best)
                        : config_expected(reader, value, "integer, number, string or boolean");
}

static bool read_bound(struct config_reader *reader, struct json_value value,
                       const struct config_setting *setting, char **bound)
{
    int64_t integer;
    if (!is_numeric(setting))
        return config_wrong(reader, value, "expected only with an integer or a number");
    if (setting->type == SETTING_INTEGER && !json_integer(value, &integer))
        return config_expected(reader, value, "an integer");
    if (json_type(value) != JSON_NUMBER || json_text(value).length > SETTING_NUMBER_BYTES)
        return config_expected(reader, value, "a number of at most %d characters", SETTING_NUMBER_BYTES);
    *bound = setting->type == SETTING_INTEGER ? copy_canonical(setting, value) : copy_json(value);
    return true;
}

static bool read_min(struct config_reader *reader, struct json_value value, struct config_setting *setting)
{
    return read_bound(reader, value, setting, &setting->least);
}

static bool read_max(struct config_reader *reader, struct json_value value, struct config_setting *setting)
{
    if (!read_bound(reader, value, setting, &setting->most))
        return false;
    return !setting->least ||
           json_number_compare(slice_text(setting->most), slice_text(setting->least)) >= 0 ||
           config_expected(reader, value, "at least min (%s)", setting->least);
}

static bool read_max_length(struct config_reader *reader, struct json_value value,
                            struct config_setting *setting)
{
    int64_t length;
    if (setting->type != SETTING_STRING)
        return config_wrong(reader, value, "expected only with a string");
    if (!json_integer(value, &length) || length < 1 || length > SETTING_STRING_MOST)
        return config_expected(reader, value, "a number of bytes from 1 to %d", SETTING_STRING_MOST);
    setting->length_most = (size_t)length;
    return true;
}

/* What stands before it in the declaration says what may be in the list. */
static bool read_values(struct config_reader *reader, struct json_value list, struct config_setting *setting)
{
    if (json_type(list) != JSON_ARRAY || json_count(list) == 0)
        return config_expected(reader, list, "a list of at least one value");
    if (json_count(list) > SETTING_VALUES)
        return config_wrong(reader, list, "expected at most %d values, found %u", SETTING_VALUES,
                            json_count(list));
    struct config_setting rest = *setting;
    setting->values = memory_zeroed(json_count(list), sizeof *setting->values);
    struct json_iterator i = json_begin(list);
    for (uint32_t number = 0; json_step(&i); number++) {
        size_t before = config_enter_element(reader, number);
        if (!config_setting_fits(&rest, i.value))
            return not_fitting(reader, &rest, i.value);
        if (setting->value_count && config_setting_fits(setting, i.value))
            return config_expected(reader, i.value, "each value once");
        setting->values[setting->value_count++] = copy_canonical(setting, i.value);
        config_leave(reader, before);
    }
    return true;
}

static bool read_default(struct config_reader *reader, struct json_value value,
                         struct config_setting *setting)
{
    if (!config_setting_fits(setting, value))
        return not_fitting(reader, setting, value);
    setting->fallback = copy_canonical(setting, value);
    return true;
}

/* What can stand in a declaration, in the order in which it is read: each needs what stands before it. */
static const struct {
    const char *name;
    bool (*read)(struct config_reader *, struct json_value, struct config_setting *);
    bool needed;
} keys[] = {
    {"type", read_type, true},      {"min", read_min, false},
    {"max", read_max, false},       {"max_length", read_max_length, false},
    {"values", read_values, false}, {"default", read_default, true},
};
enum { KEYS = sizeof keys / sizeof *keys };

static bool check_keys(struct config_reader *reader, struct json_value object)
{
    struct json_iterator i = json_begin(object);
    while (json_step(&i)) {
        size_t before = config_enter_key(reader, i.key);
        struct nearest nearest = nearest_to(config_string(reader, i.key));
        size_t at = 0;
        while (at < KEYS && !json_string_is(i.key, slice_text(keys[at].name)))
            nearest_offer(&nearest, keys[at++].name);
        if (at == KEYS)
            return config_unknown(reader, i.key, &nearest);
        config_leave(reader, before);
    }
    return true;
}

static bool read_setting(struct config_reader *reader, struct json_value object,
                         struct config_setting *setting)
{
    if (json_type(object) != JSON_OBJECT)
        return config_expected(reader, object, "an object with type and default");
    if (!check_keys(reader, object))
        return false;
    setting->length_most = SETTING_STRING_BYTES;
    for (size_t at = 0; at < KEYS; at++) {
        struct json_value value = json_member(object, slice_text(keys[at].name));
        if (json_type(value) == JSON_NONE && keys[at].needed)
            return config_wrong(reader, object, "expected \"%s\" in it", keys[at].name);
        if (json_type(value) == JSON_NONE)
            continue;
        size_t before = config_enter_name(reader, keys[at].name);
        if (!keys[at].read(reader, value, setting))
            return false;
        config_leave(reader, before);
    }
    return true;
}

/* Stored settings are members of a document, beside _id and _version. */
static bool check_name(struct config_reader *reader, const struct config_settings *settings,
                       struct json_value key, struct slice name)
{
    if (!config_is_name(name))
        return config_expected(reader, key, "a setting's name of 1 to %d characters a-z, A-Z, 0-9, _",
                               COLLECTION_NAME_BYTES);
    if (slice_equal(name, SLICE("_id")) || slice_equal(name, SLICE("_version")))
        return config_expected(reader, key, "a setting other than _id and _version");
    if (settings->count >= SETTING_LIMIT)
        return config_expected(reader, key, "at most %d settings", SETTING_LIMIT);
    return true;
}

static struct config_setting *add_setting(struct config_settings *settings, struct slice name)
{
    settings->list = memory_resize(settings->list, settings->count + 1, sizeof *settings->list);
    struct config_setting *setting = &settings->list[settings->count++];
    *setting = (struct config_setting){.name = memory_copy(name.data, name.length)};
    return setting;
}

static size_t setting_bytes(const struct config_setting *setting)
{
    assert(setting->fallback); /* which one that was read has */
    size_t bytes = strlen(setting->name) + strlen(setting->fallback);
    for (size_t i = 0; i < setting->value_count; i++)
        bytes += strlen(setting->values[i]);
    return bytes;
}

bool config_read_application_settings(struct config_reader *reader, struct json_value object, const char *key,
                                      struct config_settings *settings)
{
    size_t bytes = 0;
    if (json_type(object) == JSON_NONE)
        return true;
    config_enter_name(reader, key);
    if (json_type(object) != JSON_OBJECT)
        return config_expected(reader, object, "an object of settings and their declarations");
    struct json_iterator i = json_begin(object);
    while (json_step(&i)) {
        size_t before = config_enter_key(reader, i.key);
        struct slice name = config_string(reader, i.key);
        if (!check_name(reader, settings, i.key, name))
            return false;
        struct config_setting *setting = add_setting(settings, name);
        if (!read_setting(reader, i.value, setting))
            return false;
        bytes += setting_bytes(setting);
        if (bytes > SETTINGS_BYTES)
            return config_wrong(reader, i.value,
                                "expected at most %d bytes of names, defaults and values in all",
                                SETTINGS_BYTES);
        config_leave(reader, before);
    }
    config_leave(reader, 0);
    return true;
}
