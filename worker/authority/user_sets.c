#include "worker/authority/user_sets.h"

#include "shared/base/clock.h"
#include "worker/authority/authority.h"
#include "worker/authority/lookup.h"

enum error_code user_get(struct worker *worker, unsigned collection, struct slice id,
                         struct user_document *document)
{
    struct store_record record;
    *document = (struct user_document){0};
    enum error_code code = store_get(worker->store, collection, id, &record);
    if (code != ERROR_NONE)
        return code;
    if (!store_record_parse(worker->store, collection, id, &record, &document->json))
        return ERROR_INTERNAL;
    document->root = json_root(&document->json);
    document->version = record.version;
    return ERROR_NONE;
}

void user_free(struct user_document *document)
{
    json_free(&document->json);
}

bool user_in_group(const struct user_document *document, struct slice group)
{
    struct json_iterator each = json_begin(json_member(document->root, SLICE("groups")));
    while (json_step(&each))
        if (json_string_is(each.value, group))
            return true;
    return false;
}

bool user_has_primary(const struct user_document *document, struct slice group)
{
    return json_string_is(json_member(document->root, SLICE("primary_group")), group);
}

bool user_is_administrator_group(struct slice group)
{
    return slice_equal(group, slice_text(administrator_group));
}

bool user_is_administrator(struct worker *worker, struct slice user)
{
    struct user_document document;
    bool is = user_get(worker, COLLECTION_USERS, user, &document) == ERROR_NONE &&
              user_in_group(&document, slice_text(administrator_group));
    user_free(&document);
    return is;
}

enum error_code user_group_get(struct worker *worker, struct slice group, uint64_t *version)
{
    struct user_document document;
    enum error_code code = user_get(worker, COLLECTION_GROUPS, group, &document);
    if (code == ERROR_NONE && json_type(json_member(document.root, SLICE("removing"))) != JSON_NONE)
        code = ERROR_NOT_FOUND;
    *version = document.version;
    user_free(&document);
    return code;
}

void user_set_change(struct buffer *set, enum change_operation operation, unsigned flags,
                     enum builtin_collection collection, struct slice id, int64_t version, struct slice body)
{
    struct change change = {
        .operation = operation,
        .flags = flags,
        .version = version,
        .collection = slice_text(collection_names[collection]),
        .id = id,
        .body = body,
    };
    change_set_add(set, &change);
}

void user_set_assert(struct buffer *set, enum builtin_collection collection, struct slice id,
                     uint64_t version)
{
    user_set_change(set, CHANGE_ASSERT, NO_FLAGS, collection, id, (int64_t)version, (struct slice){0});
}

bool user_set_assert_sessions(struct worker *worker, struct buffer *set, struct slice user)
{
    struct store_record record;
    enum error_code code = store_get(worker->store, COLLECTION_CREDENTIALS, user, &record);
    if (code == ERROR_NONE)
        user_set_assert(set, COLLECTION_CREDENTIALS, user, record.version);
    else if (code == ERROR_NOT_FOUND)
        user_set_change(set, CHANGE_ASSERT, CHANGE_ABSENT, COLLECTION_CREDENTIALS, user, CHANGE_ANY_VERSION,
                        (struct slice){0});
    return code == ERROR_NONE || code == ERROR_NOT_FOUND;
}

struct ending {
    struct buffer *set;
    enum change_operation operation;
    struct slice body;
};

static bool end_stored_login(void *argument, struct slice id, struct json_value document, uint64_t version)
{
    const struct ending *ending = argument;
    (void)version;
    if (ending->operation == CHANGE_REMOVE || json_type(json_member(document, SLICE("ended"))) == JSON_NONE)
        user_set_change(ending->set, ending->operation, CHANGE_SKIP_MISSING, COLLECTION_SESSIONS, id,
                        CHANGE_ANY_VERSION, ending->body);
    return true;
}

/* They are marked, not removed, so that their tokens say "invalidated" until they are pruned. */
bool user_set_end_sessions(struct worker *worker, struct buffer *set, struct slice user)
{
    struct buffer body = {0};
    buffer_append_format(&body, "{\"ended\":%llu}", (unsigned long long)clock_wall_ms());
    struct ending ending = {set, CHANGE_MERGE, buffer_slice(&body)};
    bool known = lookup(worker, COLLECTION_SESSIONS, "user", user, end_stored_login, &ending);
    buffer_free(&body);
    return known;
}

bool user_set_remove_sessions(struct worker *worker, struct buffer *set, struct slice user)
{
    struct ending ending = {set, CHANGE_REMOVE, {0}};
    return lookup(worker, COLLECTION_SESSIONS, "user", user, end_stored_login, &ending);
}

struct keeping {
    struct worker *worker;
    struct buffer *set;
    struct slice leaving;
    bool kept;
};

/* Who has no password cannot log in, and so is no administrator who is left. */
static bool keep_one(void *argument, struct slice id, struct json_value document, uint64_t version)
{
    struct keeping *keeping = argument;
    struct store_record record;
    (void)document;
    if (slice_equal(id, keeping->leaving) ||
        store_get(keeping->worker->store, COLLECTION_CREDENTIALS, id, &record) != ERROR_NONE)
        return true;
    user_set_assert(keeping->set, COLLECTION_USERS, id, version);
    keeping->kept = true;
    return false;
}

enum error_code user_set_keep_administrator(struct worker *worker, struct buffer *set, struct slice user)
{
    struct keeping keeping = {worker, set, user, false};
    bool known =
        lookup(worker, COLLECTION_USERS, "groups", slice_text(administrator_group), keep_one, &keeping);
    if (keeping.kept)
        return ERROR_NONE;
    return known ? ERROR_NOT_FOUND : ERROR_INTERNAL;
}

/* A merge patch would remove a member that becomes null. */
void user_set_groups(struct buffer *set, struct slice user, uint64_t version, struct slice groups,
                     bool primary)
{
    struct buffer body = {0};
    buffer_append_text(&body, "[{\"op\":\"add\",\"path\":\"/groups\",\"value\":");
    buffer_append_slice(&body, groups);
    if (primary)
        buffer_append_text(&body, "},{\"op\":\"add\",\"path\":\"/primary_group\",\"value\":null");
    buffer_append_text(&body, "}]");
    user_set_change(set, CHANGE_PATCH, NO_FLAGS, COLLECTION_USERS, user, (int64_t)version,
                    buffer_slice(&body));
    buffer_free(&body);
}

void user_append_groups(struct buffer *out, const struct user_document *document, struct slice group,
                        struct slice more)
{
    struct json_iterator each = json_begin(json_member(document->root, SLICE("groups")));
    bool first = true;
    buffer_append_byte(out, '[');
    while (json_step(&each)) {
        if (json_string_is(each.value, group))
            continue;
        if (!first)
            buffer_append_byte(out, ',');
        first = false;
        json_append_compact(out, each.value);
    }
    if (more.data) {
        if (!first)
            buffer_append_byte(out, ',');
        json_append_string(out, more);
    }
    buffer_append_byte(out, ']');
}
