#include "shared/config/collections.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"

void config_add_permission(struct config *config, struct slice name)
{
    config->permissions =
        memory_resize(config->permissions, config->permission_count + 1, sizeof *config->permissions);
    config->permissions[config->permission_count++] = memory_copy(name.data, name.length);
}

struct config_collection *collection_add(struct config *config, struct slice name)
{
    size_t count = config->collection_count;
    config->collections = memory_resize(config->collections, count + 1, sizeof *config->collections);
    struct config_collection *collection = &config->collections[count];
    *collection = (struct config_collection){
        .name = memory_copy(name.data, name.length), .index = (uint16_t)count, .read = -1};
    config->collection_count = count + 1;
    return collection;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void append_list(struct buffer *out, const char *key, char *const *texts, size_t count)
{
    buffer_append_format(out, "\"%s\":[", key);
    for (size_t i = 0; i < count; i++) {
        if (i)
            buffer_append_byte(out, ',');
        json_append_string(out, slice_text(texts[i]));
    }
    buffer_append_byte(out, ']');
}

/* The order in which indexes are declared means nothing. */
static void append_sorted(struct buffer *out, const char *key, char *const *texts, size_t count)
{
    char **sorted = memory_zeroed(count ? count : 1, sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        sorted[i] = texts[i];
    qsort(sorted, count, sizeof *sorted, compare_texts);
    append_list(out, key, sorted, count);
    free(sorted);
}

static void append_right(struct buffer *out, const char *key, const char *field)
{
    if (!field)
        return;
    if (out->data[out->length - 1] != '{')
        buffer_append_byte(out, ',');
    buffer_append_format(out, "\"%s\":", key);
    json_append_string(out, slice_text(field));
}

/* Who sees it; nothing when everybody does, or when that cannot be declared. */
static void append_sight(struct buffer *out, const struct config *config,
                         const struct config_collection *collection)
{
    char *names[PERMISSION_LIMIT];
    size_t count = 0;
    if (collection->builtin)
        return;
    if (collection->read >= 0) {
        buffer_append_text(out, ",\"read\":");
        json_append_string(out, slice_text(config->permissions[collection->read]));
    }
    for (unsigned i = 0; i < config->permission_count; i++)
        if (permission_has(&collection->methods[METHOD_SYNC].needed, i))
            names[count++] = config->permissions[i];
    if (count == 0)
        return;
    buffer_append_byte(out, ',');
    append_sorted(out, "sync", names, count);
}

void collection_declare(const struct config *config, struct config_collection *collection)
{
    struct buffer out = {0};
    buffer_append_byte(&out, '{');
    append_list(&out, "projector", collection->projector, collection->projector_count);
    buffer_append_text(&out, ",\"sync_filter\":");
    if (collection->sync_filter)
        json_query_append_text(&out, collection->sync_filter);
    else
        buffer_append_text(&out, "null");
    buffer_append_byte(&out, ',');
    append_sorted(&out, "unique", collection->unique, collection->unique_count);
    buffer_append_byte(&out, ',');
    append_sorted(&out, "index", collection->index_fields, collection->index_field_count);
    if (collection->has_rights) {
        buffer_append_text(&out, ",\"rights\":{");
        append_right(&out, "owner", collection->rights.owner);
        append_right(&out, "group", collection->rights.group);
        append_right(&out, "group_read", collection->rights.group_read);
        append_right(&out, "group_write", collection->rights.group_write);
        append_right(&out, "all_read", collection->rights.all_read);
        append_right(&out, "all_write", collection->rights.all_write);
        buffer_append_byte(&out, '}');
    }
    append_sight(&out, config, collection);
    buffer_append_byte(&out, '}');
    free(collection->declaration);
    collection->declaration = memory_copy(out.data, out.length);
    buffer_free(&out);
}
