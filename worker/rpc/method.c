#include "worker/rpc/method.h"

enum { TABLES_MOST = 4 };

struct tables {
    const struct method_table *of[TABLES_MOST];
    size_t count;
};

static struct tables tables_of(const struct config_collection *collection)
{
    if (!collection)
        return (struct tables){{&dispatcher_methods}, 1};
    if (collection->index == COLLECTION_SETTINGS)
        return (struct tables){{&settings_methods}, 1};
    if (collection->internal)
        return (struct tables){{NULL}, 0};
    /* Users and groups that are there are changed by their own methods alone, also over the control socket:
     * these see to it that an administrator is left. */
    if (collection->index == COLLECTION_USERS)
        return (struct tables){{&read_methods, &sync_methods, &bulk_methods, &users_methods}, 4};
    if (collection->index == COLLECTION_GROUPS)
        return (struct tables){{&read_methods, &sync_methods, &bulk_methods, &groups_methods}, 4};
    return (struct tables){{&read_methods, &sync_methods, &bulk_methods, &write_methods}, 4};
}

bool method_any(const struct config_collection *collection)
{
    return tables_of(collection).count > 0;
}

const struct method *method_find(const struct config_collection *collection, struct slice name)
{
    struct tables tables = tables_of(collection);
    for (size_t t = 0; t < tables.count; t++)
        for (size_t i = 0; i < tables.of[t]->count; i++)
            if (slice_equal(slice_text(tables.of[t]->methods[i].name), name))
                return &tables.of[t]->methods[i];
    return NULL;
}

void method_each(const struct config_collection *collection, void (*each)(const struct method *, void *),
                 void *argument)
{
    struct tables tables = tables_of(collection);
    for (size_t t = 0; t < tables.count; t++)
        for (size_t i = 0; i < tables.of[t]->count; i++)
            each(&tables.of[t]->methods[i], argument);
}
