/* Any text as a configuration file: it is read, or refused with one line; nothing else happens. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shared/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each default fits its declaration, and all of them together are JSON that says the same when it is
 * stored. */
static void check_settings(const struct config_settings *settings)
{
    struct buffer text = {0}, again = {0};
    struct json json = {0};
    config_settings_append(&text, settings, (struct json_value){0});
    if (!json_parse(&json, text.data, text.length) || json_count(json_root(&json)) != settings->count)
        abort();
    for (size_t i = 0; i < settings->count; i++)
        if (!config_setting_fits(&settings->list[i],
                                 json_member(json_root(&json), slice_text(settings->list[i].name))))
            abort();
    config_settings_append(&again, settings, json_root(&json));
    if (!slice_equal(buffer_slice(&text), buffer_slice(&again)))
        abort();
    json_free(&json);
    buffer_free(&text);
    buffer_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char message[CONFIG_MESSAGE] = "";
    struct config *config = config_defaults();
    bool read = config_read_text(config, "f", (const char *)data, size, message);
    if (!read && (message[0] == '\0' || strchr(message, '\n')))
        abort();
    if (read && !config_check(config, message) && message[0] == '\0')
        abort();
    for (size_t i = 0; read && i < config->collection_count; i++)
        if (config->collections[i].index != i || !config->collections[i].declaration)
            abort();
    if (read) {
        check_settings(&config->settings);
        check_settings(&config->user_settings);
    }
    config_free(config);
    return 0;
}
