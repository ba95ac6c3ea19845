/* Any text as a configuration file: it is read, or refused with one line; nothing else happens. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shared/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    config_free(config);
    return 0;
}
