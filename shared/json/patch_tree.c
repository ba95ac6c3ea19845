#include "shared/json/patch_tree.h"

#include <malloc.h>
#include <stdlib.h>

#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/json/compare.h"
#include "shared/json/number.h"

static cJSON *present_item(cJSON *item)
{
    if (!item)
        log_fatal("out of memory while a JSON Patch was applied");
    return item;
}

/* The text of a number or the characters of a string, with the NUL that cJSON wants (the parser lets none
 * in). */
static const char *with_nul(struct slice text, struct buffer *scratch)
{
    buffer_clear(scratch);
    buffer_append_slice(scratch, text);
    buffer_append_byte(scratch, 0);
    return scratch->data;
}

static const char *tree_characters(struct json_value string, struct buffer *scratch)
{
    buffer_clear(scratch);
    struct slice text = json_string(string, scratch);
    if (text.data != scratch->data)
        return with_nul(text, scratch);
    buffer_append_byte(scratch, 0);
    return scratch->data;
}

void patch_tree_add_member(cJSON *object, const char *key, cJSON *item)
{
    if (!cJSON_AddItemToObject(object, key, item))
        (void)present_item(NULL);
}

static cJSON *build_tree(struct json_value value, struct buffer *scratch)
{
    enum json_type type = json_type(value);
    switch (type) {
    case JSON_NONE:
    case JSON_NULL:
        return present_item(cJSON_CreateNull());
    case JSON_FALSE:
        return present_item(cJSON_CreateFalse());
    case JSON_TRUE:
        return present_item(cJSON_CreateTrue());
    case JSON_NUMBER:
        return present_item(cJSON_CreateRaw(with_nul(json_text(value), scratch)));
    case JSON_STRING:
        return present_item(cJSON_CreateString(tree_characters(value, scratch)));
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    cJSON *container = present_item(type == JSON_OBJECT ? cJSON_CreateObject() : cJSON_CreateArray());
    for (struct json_iterator i = json_begin(value); json_step(&i);) {
        cJSON *child = build_tree(i.value, scratch);
        if (i.object)
            patch_tree_add_member(container, tree_characters(i.key, scratch), child);
        else
            cJSON_AddItemToArray(container, child);
    }
    return container;
}

/* cJSON does not say how much it asked for; all of it may be written to. */
static void release_tree(void *memory)
{
    memory_release(memory, malloc_usable_size(memory));
}

cJSON *patch_tree_build(struct json_value value)
{
    cJSON_Hooks hooks = {.malloc_fn = malloc, .free_fn = release_tree};
    struct buffer scratch = {0};
    cJSON_InitHooks(&hooks);
    cJSON *item = build_tree(value, &scratch);
    buffer_free(&scratch);
    return item;
}

cJSON *patch_tree_copy(const cJSON *item)
{
    return present_item(cJSON_Duplicate(item, true));
}

size_t patch_string_bytes(const char *text)
{
    size_t bytes = 2;
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte >= 0x20)
            bytes += byte == '"' || byte == '\\' ? 2 : 1;
        else
            bytes += strchr("\b\t\n\f\r", byte) ? 2 : 6;
    }
    return bytes;
}

static struct patch_measure measure_tree(const cJSON *item)
{
    if (cJSON_IsString(item))
        return (struct patch_measure){patch_string_bytes(item->valuestring), 0, 1};
    if (cJSON_IsRaw(item))
        return (struct patch_measure){strlen(item->valuestring), 0, 1};
    if (!cJSON_IsArray(item) && !cJSON_IsObject(item))
        return (struct patch_measure){cJSON_IsFalse(item) ? 5 : 4, 0, 1};

    struct patch_measure all = {2, 1, 1};
    for (const cJSON *child = item->child; child; child = child->next) {
        struct patch_measure one = measure_tree(child);
        all.bytes += one.bytes + (child->next ? 1 : 0);
        if (cJSON_IsObject(item))
            all.bytes += patch_string_bytes(child->string) + 1;
        all.nodes += one.nodes;
        if (all.depth < one.depth + 1)
            all.depth = one.depth + 1;
    }
    return all;
}

struct patch_measure patch_tree_measure(const cJSON *item, struct patch_work *work)
{
    struct patch_measure all = measure_tree(item);
    work->done += all.bytes + PATCH_WORK_MEASURED * (uint64_t)all.nodes;
    return all;
}

struct patch_measure patch_tree_measure_new(const cJSON *item, struct patch_work *work)
{
    struct patch_measure all = patch_tree_measure(item, work);
    work->done += all.bytes + PATCH_WORK_NODE * (uint64_t)all.nodes;
    return all;
}

void patch_tree_append(struct buffer *out, const cJSON *item)
{
    if (cJSON_IsString(item)) {
        json_append_string(out, slice_text(item->valuestring));
    } else if (cJSON_IsRaw(item)) {
        buffer_append_text(out, item->valuestring);
    } else if (cJSON_IsArray(item) || cJSON_IsObject(item)) {
        bool object = cJSON_IsObject(item);
        buffer_append_byte(out, object ? '{' : '[');
        for (const cJSON *child = item->child; child; child = child->next) {
            if (object) {
                json_append_string(out, slice_text(child->string));
                buffer_append_byte(out, ':');
            }
            patch_tree_append(out, child);
            if (child->next)
                buffer_append_byte(out, ',');
        }
        buffer_append_byte(out, object ? '}' : ']');
    } else {
        buffer_append_text(out, cJSON_IsNull(item) ? "null" : cJSON_IsTrue(item) ? "true" : "false");
    }
}

static bool array_equal(const cJSON *item, struct json_value value, struct patch_work *work)
{
    const cJSON *child = item->child;
    for (struct json_iterator i = json_begin(value); json_step(&i); child = child->next)
        if (!child || !patch_tree_equal(child, i.value, work))
            return false;
    return !child;
}

/* Keys are unique on both sides, so equal counts and every key found make equal sets of keys. */
static bool object_equal(const cJSON *item, struct json_value value, struct patch_work *work)
{
    uint32_t count = 0;
    for (const cJSON *child = item->child; child && count <= json_count(value); child = child->next)
        count++;
    if (count != json_count(value))
        return false;
    const cJSON *child = item->child;
    for (struct json_iterator i = json_begin(value); child && json_step(&i);) {
        /* Mostly the members stand in the same order: look from the last one found on. */
        const cJSON *start = child;
        struct slice key = slice_text(child->string);
        while (!json_string_is(i.key, key)) {
            child = child->next ? child->next : item->child;
            key = slice_text(child->string);
            work->done += PATCH_WORK_HOP + key.length / 16;
            if (child == start || work->done > work->most)
                return false;
        }
        if (!patch_tree_equal(child, i.value, work))
            return false;
        child = child->next ? child->next : item->child;
    }
    return true;
}

bool patch_tree_equal(const cJSON *item, struct json_value value, struct patch_work *work)
{
    work->done += PATCH_WORK_HOP + (item->valuestring ? strlen(item->valuestring) : 0);
    if (work->done > work->most)
        return false;
    switch (json_type(value)) {
    case JSON_NONE:
        return false;
    case JSON_NULL:
        return cJSON_IsNull(item);
    case JSON_FALSE:
        return cJSON_IsFalse(item);
    case JSON_TRUE:
        return cJSON_IsTrue(item);
    case JSON_NUMBER:
        return cJSON_IsRaw(item) && json_number_compare(slice_text(item->valuestring), json_text(value)) == 0;
    case JSON_STRING:
        return cJSON_IsString(item) && json_string_is(value, slice_text(item->valuestring));
    case JSON_ARRAY:
        return cJSON_IsArray(item) && array_equal(item, value, work);
    case JSON_OBJECT:
        return cJSON_IsObject(item) && object_equal(item, value, work);
    }
    return false;
}
