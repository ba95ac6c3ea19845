#include "shared/config/config.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"
#include "shared/config/collections.h"
#include "shared/config/option_table.h"
#include "shared/config/option_value.h"

const struct config_collection *config_collection(const struct config *config, struct slice name)
{
    for (size_t i = 0; i < config->collection_count; i++)
        if (slice_equal(slice_text(config->collections[i].name), name))
            return &config->collections[i];
    return NULL;
}

const struct config_directory *config_directory(const struct config *config, struct slice name)
{
    for (size_t i = 0; i < config->directory_count; i++)
        if (slice_equal(slice_text(config->directories[i].name), name))
            return &config->directories[i];
    return NULL;
}

int config_permission(const struct config *config, struct slice name)
{
    for (size_t i = 0; i < config->permission_count; i++)
        if (slice_equal(slice_text(config->permissions[i]), name))
            return (int)i;
    return -1;
}

const char *config_method_name(enum collection_method method)
{
    static const char *const names[METHOD_COUNT_OF] = {
        [METHOD_DETAIL] = "detail", [METHOD_FIND] = "find",     [METHOD_COUNT] = "count",
        [METHOD_SYNC] = "sync",     [METHOD_INSERT] = "insert", [METHOD_UPDATE] = "update",
        [METHOD_PATCH] = "patch",   [METHOD_REMOVE] = "remove",
    };
    return names[method];
}

const char *const collection_names[] = {
    [COLLECTION_USERS] = "users",       [COLLECTION_GROUPS] = "groups",
    [COLLECTION_SETTINGS] = "settings", [COLLECTION_CREDENTIALS] = "credentials",
    [COLLECTION_SESSIONS] = "sessions",
};

static void add_builtin(struct config *config, enum builtin_collection index, bool internal)
{
    struct config_collection *collection = collection_add(config, slice_text(collection_names[index]));
    collection->builtin = true;
    collection->internal = internal;
    if (internal)
        return;
    collection->read = PERMISSION_MODIFY_OPTIONS;
    permission_add(&collection->sight, PERMISSION_MODIFY_OPTIONS);
    for (int i = 0; i < METHOD_COUNT_OF; i++) {
        collection->methods[i].exposed = i < METHOD_INSERT;
        permission_add(&collection->methods[i].needed, PERMISSION_MODIFY_OPTIONS);
    }
}

static void add_index(struct config_collection *collection, const char *field)
{
    collection->index_fields = memory_resize(collection->index_fields, collection->index_field_count + 1,
                                             sizeof *collection->index_fields);
    collection->index_fields[collection->index_field_count++] = memory_copy(field, strlen(field));
}

static void add_builtins(struct config *config)
{
    for (unsigned i = 0; i < COLLECTION_BUILTIN; i++)
        add_builtin(config, i, i != COLLECTION_USERS && i != COLLECTION_GROUPS);
    /* Sessions are looked for by user (all of one end together) and by the id that clients know; users by
     * group, of which they leave all together when it is removed. */
    add_index(&config->collections[COLLECTION_SESSIONS], "user");
    add_index(&config->collections[COLLECTION_SESSIONS], "id");
    add_index(&config->collections[COLLECTION_USERS], "groups");
    for (size_t i = 0; i < config->collection_count; i++)
        collection_declare(config, &config->collections[i]);
}

struct config *config_defaults(void)
{
    struct config *config = memory_zeroed(1, sizeof *config);
    char message[CONFIG_MESSAGE];
    for (size_t i = 0; i < option_count; i++) {
        const struct option_row *row = &option_table[i];
        if (row->fallback && !option_set(config, row, row->fallback, true, message))
            log_fatal("the default of %s: %s", row->name, message);
    }
    config_add_permission(config, SLICE("modify_options"));
    add_builtins(config);
    return config;
}

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

static void free_collection(struct config_collection *collection)
{
    free(collection->name);
    free_texts(collection->projector, collection->projector_count);
    json_query_free(collection->sync_filter);
    free_texts(collection->unique, collection->unique_count);
    free_texts(collection->index_fields, collection->index_field_count);
    free(collection->rights.owner);
    free(collection->rights.group);
    free(collection->rights.group_read);
    free(collection->rights.group_write);
    free(collection->rights.all_read);
    free(collection->rights.all_write);
    free(collection->declaration);
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->collection_count; i++)
        free_collection(&config->collections[i]);
    free(config->collections);
    for (size_t i = 0; i < config->directory_count; i++) {
        free(config->directories[i].name);
        free(config->directories[i].path);
        free_texts(config->directories[i].patterns, config->directories[i].pattern_count);
    }
    free(config->directories);
    config_settings_free(&config->settings);
    config_settings_free(&config->user_settings);
    free_texts(config->permissions, config->permission_count);
    free_texts(config->listen, config->listen_count);
    free_texts(config->origins, config->origin_count);
    free(config->file);
    free(config->data);
    free(config->control);
    free(config->user);
    free(config->pid_file);
    free(config->log);
    free(config);
}
