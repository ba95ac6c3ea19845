#include "shared/config/read_watch.h"

#include "shared/base/memory.h"
#include "shared/config/read_collections.h"

enum { PATH_BYTES = 4095, PATTERN_BYTES = 255 };

static bool read_path(struct config_reader *reader, struct json_value value,
                      struct config_directory *directory)
{
    struct slice path = config_string(reader, value);
    if (!path.data || path.length < 1 || path.length > PATH_BYTES)
        return config_expected(reader, value, "the path of a directory");
    directory->path = memory_copy(path.data, path.length);
    return true;
}

static void add_pattern(struct config_directory *directory, struct slice pattern)
{
    directory->patterns[directory->pattern_count++] = memory_copy(pattern.data, pattern.length);
}

static bool read_pattern(struct config_reader *reader, struct json_value list,
                         struct config_directory *directory)
{
    if (json_type(list) != JSON_ARRAY)
        return config_expected(reader, list, "a list of patterns");
    if (json_count(list) < 1 || json_count(list) > DIRECTORY_PATTERNS)
        return config_wrong(reader, list, "expected 1 to %d patterns, found %u", DIRECTORY_PATTERNS,
                            json_count(list));
    directory->patterns = memory_zeroed(json_count(list), sizeof *directory->patterns);
    struct json_iterator i = json_begin(list);
    for (uint32_t number = 0; json_step(&i); number++) {
        size_t before = config_enter_element(reader, number);
        struct slice pattern = config_string(reader, i.value);
        if (!pattern.data || pattern.length < 1 || pattern.length > PATTERN_BYTES ||
            memchr(pattern.data, '/', pattern.length))
            return config_expected(reader, i.value, "a pattern of 1 to %d bytes without \"/\"",
                                   PATTERN_BYTES);
        add_pattern(directory, pattern);
        config_leave(reader, before);
    }
    return true;
}

static bool read_read(struct config_reader *reader, struct json_value value,
                      struct config_directory *directory)
{
    if (json_type(value) == JSON_NULL)
        return true;
    directory->read = config_read_permission(reader, value);
    return directory->read >= 0;
}

/* What can stand in a declaration. */
static const struct {
    const char *name;
    bool (*read)(struct config_reader *, struct json_value, struct config_directory *);
} keys[] = {{"path", read_path}, {"pattern", read_pattern}, {"read", read_read}};
enum { KEYS = sizeof keys / sizeof *keys };

static bool read_key(struct config_reader *reader, struct json_iterator *i,
                     struct config_directory *directory)
{
    struct nearest nearest = nearest_to(config_string(reader, i->key));
    for (size_t at = 0; at < KEYS; at++) {
        if (json_string_is(i->key, slice_text(keys[at].name)))
            return keys[at].read(reader, i->value, directory);
        nearest_offer(&nearest, keys[at].name);
    }
    return config_unknown(reader, i->key, &nearest);
}

static bool read_directory(struct config_reader *reader, struct json_value object,
                           struct config_directory *directory)
{
    size_t before = reader->path.length;
    if (json_type(object) != JSON_OBJECT)
        return config_expected(reader, object, "an object");
    struct json_iterator i = json_begin(object);
    while (json_step(&i)) {
        config_enter_key(reader, i.key);
        if (!read_key(reader, &i, directory))
            return false;
        config_leave(reader, before);
    }
    if (!directory->path)
        return config_wrong(reader, object, "expected \"path\", the directory to watch");
    if (directory->pattern_count == 0) {
        directory->patterns = memory_zeroed(1, sizeof *directory->patterns);
        add_pattern(directory, SLICE("*"));
    }
    return true;
}

/* Clients tell a directory from a collection by nothing but its name. */
static bool check_name(struct config_reader *reader, struct json_value key, struct slice name)
{
    if (!config_is_name(name))
        return config_expected(reader, key, "a directory's name of 1 to %d characters a-z, A-Z, 0-9, _",
                               COLLECTION_NAME_BYTES);
    if (config_name_is_reserved(name) || config_collection(reader->config, name))
        return config_expected(reader, key, "a directory's name that is no collection's");
    if (config_directory(reader->config, name))
        return config_expected(reader, key, "each directory once");
    if (reader->config->directory_count >= DIRECTORY_LIMIT)
        return config_expected(reader, key, "at most %d directories", DIRECTORY_LIMIT);
    return true;
}

/* An error frees it with the rest. */
static struct config_directory *add_directory(struct config *config, struct slice name)
{
    size_t index = config->directory_count++;
    config->directories = memory_resize(config->directories, index + 1, sizeof *config->directories);
    config->directories[index] = (struct config_directory){
        .name = memory_copy(name.data, name.length), .index = (uint16_t)index, .read = -1};
    return &config->directories[index];
}

bool config_read_watch(struct config_reader *reader, struct json_value object)
{
    if (json_type(object) == JSON_NONE)
        return true;
    config_enter_name(reader, "watch");
    if (json_type(object) != JSON_OBJECT)
        return config_expected(reader, object, "an object");
    struct json_iterator i = json_begin(object);
    while (json_step(&i)) {
        size_t before = config_enter_key(reader, i.key);
        struct slice name = config_string(reader, i.key);
        if (!check_name(reader, i.key, name) ||
            !read_directory(reader, i.value, add_directory(reader->config, name)))
            return false;
        config_leave(reader, before);
    }
    config_leave(reader, 0);
    return true;
}
