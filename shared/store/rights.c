#include "shared/store/rights.h"

#include <stdlib.h>

#include "shared/base/memory.h"

const char administrator_group[] = "administrator";

void rights_of_administrator(struct rights *rights)
{
    rights->administrator = true;
    memset(rights->permissions.bits, 0xff, sizeof rights->permissions.bits);
}

static void add_group(struct rights *rights, struct slice group)
{
    rights->groups = memory_resize(rights->groups, rights->group_count + 1, sizeof *rights->groups);
    rights->groups[rights->group_count++] = slice_of(memory_copy(group.data, group.length), group.length);
}

/* "permissions": {name: true}. */
static void add_permissions(struct rights *rights, const struct config *config, struct json_value group)
{
    struct json_iterator each = json_begin(json_member(group, SLICE("permissions")));
    while (json_step(&each)) {
        bool granted = false;
        struct buffer scratch = {0};
        int number = config_permission(config, json_string(each.key, &scratch));
        if (json_boolean(each.value, &granted) && granted && number >= 0)
            permission_add(&rights->permissions, (unsigned)number);
        buffer_free(&scratch);
    }
}

/* False: the group's document cannot be read or is damaged. */
static bool join_group(struct rights *rights, const struct config *config, struct slice group,
                       rights_find_group *find, void *argument)
{
    struct slice text;
    if (slice_equal(group, slice_text(administrator_group))) {
        rights_of_administrator(rights);
        add_group(rights, group);
        return true;
    }
    enum error_code code = find(argument, group, &text);
    if (code != ERROR_NONE) {
        rights->names_missing = true;
        return code == ERROR_NOT_FOUND;
    }
    struct json document = {0};
    bool good = json_parse(&document, text.data, text.length);
    add_group(rights, group);
    if (good)
        add_permissions(rights, config, json_root(&document));
    json_free(&document);
    return good;
}

bool rights_read(struct rights *rights, const struct config *config, struct json_value user,
                 rights_find_group *find, void *argument)
{
    bool good = true;
    struct json_iterator each = json_begin(json_member(user, SLICE("groups")));
    while (good && json_step(&each)) {
        struct buffer scratch = {0};
        struct slice group = json_string(each.value, &scratch);
        if (group.data && !rights_in_group(rights, group))
            good = join_group(rights, config, group, find, argument);
        buffer_free(&scratch);
    }
    return good;
}

bool rights_in_group(const struct rights *rights, struct slice group)
{
    for (size_t i = 0; i < rights->group_count; i++)
        if (slice_equal(rights->groups[i], group))
            return true;
    return false;
}

bool rights_equal(const struct rights *a, const struct rights *b)
{
    if (a->administrator != b->administrator || a->group_count != b->group_count ||
        memcmp(&a->permissions, &b->permissions, sizeof a->permissions) != 0)
        return false;
    for (size_t i = 0; i < a->group_count; i++)
        if (!rights_in_group(b, a->groups[i]))
            return false;
    return true;
}

void rights_free(struct rights *rights)
{
    for (size_t i = 0; i < rights->group_count; i++)
        free((char *)(uintptr_t)rights->groups[i].data);
    free(rights->groups);
    *rights = (struct rights){0};
}
