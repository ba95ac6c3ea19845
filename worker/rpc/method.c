#include "worker/rpc/method.h"

typedef const struct method_table *const table;

/* Each list ends with NULL. Users and groups that are there are changed by their own methods alone, also over
 * the control socket: these see to it that an administrator is left. */
static table of_dispatcher[] = {&dispatcher_methods, &listen_methods, &stored_collection_methods, NULL};
static table of_settings[] = {&settings_methods, NULL};
static table of_internal[] = {NULL};
static table of_users[] = {&read_methods,
                           &sync_methods,
                           &bulk_methods,
                           &login_methods,
                           &stored_login_methods,
                           &password_methods,
                           &users_methods,
                           &user_group_methods,
                           &user_setting_methods,
                           &user_management_methods,
                           NULL};
static table of_groups[] = {&read_methods,   &sync_methods,          &bulk_methods,
                            &groups_methods, &group_removal_methods, NULL};
static table of_others[] = {&read_methods, &sync_methods, &bulk_methods, &write_methods, NULL};

static table *tables_of(const struct config_collection *collection)
{
    if (!collection)
        return of_dispatcher;
    if (collection->index == COLLECTION_SETTINGS)
        return of_settings;
    if (collection->internal)
        return of_internal;
    if (collection->index == COLLECTION_USERS)
        return of_users;
    return collection->index == COLLECTION_GROUPS ? of_groups : of_others;
}

bool method_any(const struct config_collection *collection)
{
    return *tables_of(collection) != NULL;
}

const struct method *method_find(const struct config_collection *collection, struct slice name)
{
    for (table *each = tables_of(collection); *each; each++)
        for (size_t i = 0; i < (*each)->count; i++)
            if (slice_equal(slice_text((*each)->methods[i].name), name))
                return &(*each)->methods[i];
    return NULL;
}

void method_each(const struct config_collection *collection, void (*each)(const struct method *, void *),
                 void *argument)
{
    for (table *tables = tables_of(collection); *tables; tables++)
        for (size_t i = 0; i < (*tables)->count; i++)
            each(&(*tables)->methods[i], argument);
}
