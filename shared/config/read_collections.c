#include "shared/config/read_collections.h"

#include "shared/config/reader.h"

#include <string.h>

#include "shared/base/memory.h"
#include "shared/config/collections.h"
#include "shared/json/path.h"

enum { FIELD_LIMIT = 64 }; /* in one list */

/* Names that mean something else on the wire. */
static const char *const reserved_names[] = {"dispatcher", "transaction"};

bool config_name_is_reserved(struct slice name)
{
    for (size_t i = 0; i < sizeof reserved_names / sizeof *reserved_names; i++)
        if (slice_equal(name, slice_text(reserved_names[i])))
            return true;
    return false;
}

bool config_read_permissions(struct config_reader *reader, struct json_value list)
{
    if (json_type(list) == JSON_NONE)
        return true;
    config_enter_name(reader, "permissions");
    if (json_type(list) != JSON_ARRAY)
        return config_expected(reader, list, "a list of names");
    struct json_iterator i = json_begin(list);
    for (uint32_t number = 0; json_step(&i); number++) {
        size_t before = config_enter_element(reader, number);
        struct slice name = config_string(reader, i.value);
        if (!name.data || !config_is_name(name))
            return config_expected(reader, i.value, "a name of 1 to %d characters a-z, A-Z, 0-9, _",
                                   COLLECTION_NAME_BYTES);
        int known = config_permission(reader->config, name);
        if (known == PERMISSION_MODIFY_OPTIONS)
            return config_expected(reader, i.value, "a permission that is not built in");
        if (known >= 0)
            return config_expected(reader, i.value, "each permission once");
        if (reader->config->permission_count >= PERMISSION_LIMIT)
            return config_expected(reader, i.value, "at most %d permissions", PERMISSION_LIMIT - 1);
        config_add_permission(reader->config, name);
        config_leave(reader, before);
    }
    config_leave(reader, 0);
    return true;
}

int config_read_permission(struct config_reader *reader, struct json_value value)
{
    struct slice name = config_string(reader, value);
    if (!name.data) {
        config_expected(reader, value, "the name of a permission");
        return -1;
    }
    int number = config_permission(reader->config, name);
    if (number >= 0)
        return number;
    struct nearest nearest = nearest_to(name);
    for (size_t i = 0; i < reader->config->permission_count; i++)
        nearest_offer(&nearest, reader->config->permissions[i]);
    if (nearest.best)
        config_expected(reader, value, "a declared permission, perhaps \"%s\"", nearest.best);
    else
        config_expected(reader, value, "a declared permission");
    return -1;
}

/* A field at the top of a document; NULL after an error. _id and _version are the server's: they are in every
 * minimal document, and _id is unique as it is. */
static char *read_field(struct config_reader *reader, struct json_value value)
{
    struct slice name = config_string(reader, value);
    if (!name.data) {
        config_expected(reader, value, "the name of a field");
        return NULL;
    }
    if (name.length == 0 || name.length > FIELD_BYTES || name.data[0] == '$' ||
        memchr(name.data, '.', name.length)) {
        config_expected(reader, value,
                        "a field's name of 1 to %d bytes without \".\" and without \"$\" in front",
                        FIELD_BYTES);
        return NULL;
    }
    if (slice_equal(name, SLICE("_id")) || slice_equal(name, SLICE("_version"))) {
        config_expected(reader, value, "a field other than _id and _version");
        return NULL;
    }
    return memory_copy(name.data, name.length);
}

/* A path into documents, as queries have it; NULL after an error. */
static char *read_path(struct config_reader *reader, struct json_value value)
{
    struct slice path = config_string(reader, value), rest = path;
    if (!path.data) {
        config_expected(reader, value, "the name of a field");
        return NULL;
    }
    bool good = path.length <= FIELD_BYTES && json_path_count(path) <= JSON_PATH_STEPS;
    struct slice first = json_path_take_step(&rest).name, step = first;
    for (; good && rest.data; step = json_path_take_step(&rest).name)
        good = step.length > 0;
    if (!good || step.length == 0 || path.data[0] == '$') {
        config_expected(reader, value,
                        "a field's name, or a path such as \"a.b\", of 1 to %d bytes and at most %d steps "
                        "without \"$\" in front",
                        FIELD_BYTES, JSON_PATH_STEPS);
        return NULL;
    }
    if (slice_equal(first, SLICE("_id")) || slice_equal(first, SLICE("_version"))) {
        config_expected(reader, value, "a field other than _id and _version");
        return NULL;
    }
    return memory_copy(path.data, path.length);
}

static bool has_text(char *const *texts, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(texts[i], text) == 0)
            return true;
    return false;
}

static bool read_fields(struct config_reader *reader, struct json_value list,
                        char *(*read_one)(struct config_reader *, struct json_value), char ***fields,
                        size_t *count)
{
    if (json_type(list) != JSON_ARRAY)
        return config_expected(reader, list, "a list of fields");
    if (json_count(list) > FIELD_LIMIT)
        return config_wrong(reader, list, "expected at most %d fields, found %u", FIELD_LIMIT,
                            json_count(list));
    *fields = memory_zeroed(json_count(list) + 1, sizeof **fields);
    struct json_iterator i = json_begin(list);
    for (uint32_t number = 0; json_step(&i); number++) {
        size_t before = config_enter_element(reader, number);
        char *field = read_one(reader, i.value);
        if (!field)
            return false;
        bool again = has_text(*fields, *count, field);
        (*fields)[(*count)++] = field; /* an error frees it with the rest */
        if (again)
            return config_expected(reader, i.value, "each field once");
        config_leave(reader, before);
    }
    return true;
}

static bool read_sync_filter(struct config_reader *reader, struct json_value value,
                             struct config_collection *collection)
{
    char message[JSON_QUERY_MESSAGE];
    if (json_type(value) == JSON_NULL)
        return true;
    if (json_type(value) != JSON_OBJECT)
        return config_expected(reader, value, "a query (an object) or null");
    collection->sync_filter = json_query_compile(value, message);
    return collection->sync_filter || config_wrong(reader, value, "%s", message);
}

static bool read_read(struct config_reader *reader, struct json_value value,
                      struct config_collection *collection)
{
    if (json_type(value) == JSON_NULL)
        return true;
    collection->read = config_read_permission(reader, value);
    return collection->read >= 0;
}

static bool read_method(struct config_reader *reader, struct json_value list, struct config_method *method)
{
    if (json_type(list) != JSON_ARRAY)
        return config_expected(reader, list, "a list of permissions");
    method->exposed = true;
    struct json_iterator i = json_begin(list);
    for (uint32_t number = 0; json_step(&i); number++) {
        size_t before = config_enter_element(reader, number);
        int permission = config_read_permission(reader, i.value);
        if (permission < 0)
            return false;
        permission_add(&method->needed, (unsigned)permission);
        config_leave(reader, before);
    }
    return true;
}

static bool read_methods(struct config_reader *reader, struct json_value object,
                         struct config_collection *collection)
{
    if (json_type(object) != JSON_OBJECT)
        return config_expected(reader, object, "an object of methods and their permissions");
    struct json_iterator i = json_begin(object);
    while (json_step(&i)) {
        size_t before = config_enter_key(reader, i.key);
        struct nearest nearest = nearest_to(config_string(reader, i.key));
        int method = 0;
        while (method < METHOD_COUNT_OF &&
               !json_string_is(i.key, slice_text(config_method_name((enum collection_method)method))))
            nearest_offer(&nearest, config_method_name((enum collection_method)method++));
        if (method == METHOD_COUNT_OF)
            return nearest.best
                       ? config_expected(reader, i.key, "a method, perhaps \"%s\"", nearest.best)
                       : config_expected(reader, i.key,
                                         "detail, find, count, sync, insert, update, patch or remove");
        if (!read_method(reader, i.value, &collection->methods[method]))
            return false;
        config_leave(reader, before);
    }
    return true;
}

static bool read_rights(struct config_reader *reader, struct json_value object,
                        struct config_collection *collection)
{
    struct config_rights *rights = &collection->rights;
    const struct {
        const char *name;
        char **field;
    } known[] = {{"owner", &rights->owner},           {"group", &rights->group},
                 {"group_read", &rights->group_read}, {"group_write", &rights->group_write},
                 {"all_read", &rights->all_read},     {"all_write", &rights->all_write}};
    enum { KNOWN = sizeof known / sizeof *known };
    if (json_type(object) == JSON_NULL)
        return true;
    if (json_type(object) != JSON_OBJECT)
        return config_expected(reader, object, "an object of rights and their fields, or null");
    struct json_iterator i = json_begin(object);
    while (json_step(&i)) {
        size_t before = config_enter_key(reader, i.key);
        struct nearest nearest = nearest_to(config_string(reader, i.key));
        size_t at = 0;
        while (at < KNOWN && !json_string_is(i.key, slice_text(known[at].name)))
            nearest_offer(&nearest, known[at++].name);
        if (at == KNOWN)
            return config_unknown(reader, i.key, &nearest);
        *known[at].field = read_field(reader, i.value);
        if (!*known[at].field)
            return false;
        config_leave(reader, before);
    }
    collection->has_rights = true;
    if (!rights->owner)
        return config_wrong(reader, object, "expected \"owner\", the field with the id of a document's user");
    if (!rights->group && (rights->group_read || rights->group_write))
        return config_wrong(reader, object,
                            "expected \"group\", the field with the id of a document's group, beside \"%s\"",
                            rights->group_read ? "group_read" : "group_write");
    return true;
}

static bool read_projector(struct config_reader *reader, struct json_value value,
                           struct config_collection *collection)
{
    return read_fields(reader, value, read_field, &collection->projector, &collection->projector_count);
}

static bool read_unique(struct config_reader *reader, struct json_value value,
                        struct config_collection *collection)
{
    return read_fields(reader, value, read_path, &collection->unique, &collection->unique_count);
}

static bool read_index(struct config_reader *reader, struct json_value value,
                       struct config_collection *collection)
{
    return read_fields(reader, value, read_path, &collection->index_fields, &collection->index_field_count);
}

/* What can stand in a declaration. */
static const struct {
    const char *name;
    bool (*read)(struct config_reader *, struct json_value, struct config_collection *);
} keys[] = {
    {"projector", read_projector}, {"sync_filter", read_sync_filter},
    {"unique", read_unique},       {"index", read_index},
    {"read", read_read},           {"methods", read_methods},
    {"rights", read_rights},
};
enum { KEYS = sizeof keys / sizeof *keys };

static bool read_key(struct config_reader *reader, struct json_iterator *i,
                     struct config_collection *collection)
{
    struct nearest nearest = nearest_to(config_string(reader, i->key));
    for (size_t at = 0; at < KEYS; at++) {
        if (json_string_is(i->key, slice_text(keys[at].name)))
            return keys[at].read(reader, i->value, collection);
        nearest_offer(&nearest, keys[at].name);
    }
    return config_unknown(reader, i->key, &nearest);
}

/* A unique field has an index already. */
static bool check_indexes(struct config_reader *reader, struct json_value object,
                          const struct config_collection *collection)
{
    struct json_iterator i = json_begin(json_member(object, SLICE("index")));
    config_enter_name(reader, "index");
    for (uint32_t number = 0; json_step(&i); number++) {
        size_t before = config_enter_element(reader, number);
        if (has_text(collection->unique, collection->unique_count, collection->index_fields[number]))
            return config_expected(reader, i.value, "a field that is not in unique");
        config_leave(reader, before);
    }
    return true;
}

static struct json_value method_list(struct json_value object, enum collection_method method)
{
    return json_member(json_member(object, SLICE("methods")), slice_text(config_method_name(method)));
}

/* Documents are sent to whoever has ->sight: a method that reads them must not ask for more, or it would keep
 * from nobody what it seems to. */
static bool check_reading_methods(struct config_reader *reader, struct json_value object,
                                  struct config_collection *collection)
{
    const struct config *config = reader->config;
    collection->sight = collection->methods[METHOD_SYNC].needed;
    if (collection->read >= 0)
        permission_add(&collection->sight, (unsigned)collection->read);
    for (enum collection_method method = METHOD_DETAIL; method < METHOD_SYNC; method++)
        for (unsigned i = 0; i < config->permission_count; i++)
            if (permission_has(&collection->methods[method].needed, i) &&
                !permission_has(&collection->sight, i))
                return config_wrong(
                    reader, method_list(object, method),
                    "methods.%s asks for \"%s\", but the documents are sent to everybody who sees "
                    "the collection: write \"read\": \"%s\"",
                    config_method_name(method), config->permissions[i], config->permissions[i]);
    return true;
}

static bool read_collection(struct config_reader *reader, struct json_value object,
                            struct config_collection *collection)
{
    size_t before = reader->path.length;
    if (json_type(object) != JSON_OBJECT)
        return config_expected(reader, object, "an object");
    for (int method = METHOD_DETAIL; method < METHOD_INSERT; method++)
        collection->methods[method].exposed = true;
    struct json_iterator i = json_begin(object);
    while (json_step(&i)) {
        config_enter_key(reader, i.key);
        if (!read_key(reader, &i, collection))
            return false;
        config_leave(reader, before);
    }
    if (!check_indexes(reader, object, collection))
        return false;
    config_leave(reader, before);
    if (!check_reading_methods(reader, object, collection))
        return false;
    collection_declare(reader->config, collection);
    return true;
}

static bool check_collection_name(struct config_reader *reader, struct json_value key, struct slice name)
{
    if (!config_is_name(name))
        return config_expected(reader, key, "a collection's name of 1 to %d characters a-z, A-Z, 0-9, _",
                               COLLECTION_NAME_BYTES);
    const struct config_collection *known = config_collection(reader->config, name);
    if ((known && known->builtin) || config_name_is_reserved(name))
        return config_expected(reader, key, "a collection's name that is not built in");
    if (known)
        return config_expected(reader, key, "each collection once");
    if (reader->config->collection_count >= COLLECTION_LIMIT)
        return config_expected(reader, key, "at most %d collections", COLLECTION_LIMIT - COLLECTION_BUILTIN);
    return true;
}

bool config_read_collections(struct config_reader *reader, struct json_value object)
{
    if (json_type(object) == JSON_NONE)
        return true;
    config_enter_name(reader, "collections");
    if (json_type(object) != JSON_OBJECT)
        return config_expected(reader, object, "an object");
    struct json_iterator i = json_begin(object);
    while (json_step(&i)) {
        size_t before = config_enter_key(reader, i.key);
        struct slice name = config_string(reader, i.key);
        if (!check_collection_name(reader, i.key, name) ||
            !read_collection(reader, i.value, collection_add(reader->config, name)))
            return false;
        config_leave(reader, before);
    }
    config_leave(reader, 0);
    return true;
}
