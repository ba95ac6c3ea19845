#include "shared/json/patch.h"

#include <stdio.h>

#include "shared/json/number.h"
#include "shared/json/patch_tree.h"

enum { PATH_SHOWN = 60 };

struct patching {
    cJSON *root;
    size_t bytes; /* of the compact text of ->root */
    size_t limit;
    struct patch_work work;
    uint32_t operation; /* its position in the patch */
    struct slice name;  /* of the operation; absent while unknown */
    struct slice path;  /* unescaped JSON string, still a pointer */
    struct slice from;
    struct json_value value;
    char *message;
};

/* A place in the tree: where a pointer leads. */
struct place {
    cJSON *parent;    /* NULL: the place is the root */
    cJSON *item;      /* what is there now; NULL: nothing, it can only be added */
    struct slice key; /* the last step, unescaped: the key in an object */
    unsigned depth;   /* containers above it */
};

static size_t shown_length(struct slice text)
{
    size_t length = text.length < PATH_SHOWN ? text.length : PATH_SHOWN;
    while (length > 0 && length < text.length && (text.data[length] & 0xC0) == 0x80)
        length--;
    return length;
}

static enum json_patch_result patch_fail(const struct patching *patching, enum json_patch_result result,
                                         const char *why)
{
    if (patching->name.data && patching->path.data)
        snprintf(patching->message, JSON_PATCH_MESSAGE, "operation %u (%.*s \"%.*s\"): %s",
                 patching->operation, (int)patching->name.length, patching->name.data,
                 (int)shown_length(patching->path), patching->path.data, why);
    else
        snprintf(patching->message, JSON_PATCH_MESSAGE, "operation %u: %s", patching->operation, why);
    return result;
}

static enum json_patch_result too_much_work(const struct patching *patching)
{
    return patch_fail(patching, JSON_PATCH_TOO_LARGE,
                      "the patch is too much work; split it, or replace the whole value");
}

/* RFC 6901, section 3: empty, or steps that start with a slash, in which ~ is followed by 0 or 1. */
static bool pointer_valid(struct slice pointer)
{
    if (pointer.length > 0 && pointer.data[0] != '/')
        return false;
    for (size_t i = 0; i < pointer.length; i++)
        if (pointer.data[i] == '~' && (i + 1 == pointer.length || (pointer.data[i + 1] | 1) != '1'))
            return false;
    return true;
}

/* RFC 6901, section 4: first ~1, then ~0. Nothing grows. */
static struct slice unescape_step(struct slice step, struct buffer *scratch)
{
    if (step.length == 0 || !memchr(step.data, '~', step.length))
        return step;
    buffer_clear(scratch);
    for (size_t i = 0; i < step.length; i++)
        buffer_append_byte(scratch, step.data[i] != '~' ? step.data[i] : step.data[++i] == '1' ? '/' : '~');
    return buffer_slice(scratch);
}

/* Lists of cJSON are linked: who wants one in the middle of a long one passes half of it by. */
static cJSON *find_member(const cJSON *object, struct slice key, struct patch_work *work)
{
    for (cJSON *child = object->child; child;
         child = child->next, work->done += PATCH_WORK_HOP + key.length / 16)
        if (strncmp(child->string, key.data, key.length) == 0 && child->string[key.length] == 0)
            return child;
    return NULL;
}

/* The element at @position; NULL with *behind when it would be the next one. */
static cJSON *find_element(const cJSON *array, uint32_t position, bool *behind, struct patch_work *work)
{
    cJSON *child = array->child;
    for (; child && position > 0; child = child->next, position--)
        work->done += PATCH_WORK_HOP;
    *behind = !child && position == 0;
    return child;
}

/* One step down from place->item. False: it leads nowhere. */
static bool step_down(struct patching *patching, struct place *place, struct slice step)
{
    cJSON *container = place->item;
    place->parent = container;
    place->key = step;
    place->depth++;
    if (cJSON_IsObject(container)) {
        place->item = find_member(container, step, &patching->work);
        return true;
    }
    if (!cJSON_IsArray(container))
        return false;
    place->item = NULL;
    if (slice_equal(step, SLICE("-"))) /* after the last element */
        return true;
    uint32_t position = json_position(step);
    bool behind = false;
    if (position != UINT32_MAX)
        place->item = find_element(container, position, &behind, &patching->work);
    return place->item || behind;
}

/* Follows @pointer. All of it but the last step must exist; that one must be possible. @scratch keeps the
 * last key. */
static bool find_place(struct patching *patching, struct slice pointer, struct place *place,
                       struct buffer *scratch)
{
    *place = (struct place){.item = patching->root};
    const char *at = pointer.data;
    const char *end = pointer.data + pointer.length;
    while (at < end) {
        at++; /* the slash */
        const char *slash = memchr(at, '/', (size_t)(end - at));
        struct slice step = slice_of(at, (size_t)((slash ? slash : end) - at));
        if (!place->item || !step_down(patching, place, unescape_step(step, scratch)))
            return false;
        at += step.length;
    }
    return true;
}

static size_t member_bytes(const cJSON *parent, const cJSON *item, size_t bytes)
{
    return bytes + (cJSON_IsObject(parent) ? patch_string_bytes(item->string) + 1 : 0);
}

/* Takes the item out of its container; it belongs to the caller then. */
static cJSON *detach_node(struct patching *patching, const struct place *place, size_t bytes)
{
    patching->bytes -= member_bytes(place->parent, place->item, bytes);
    if (place->parent->child->next)
        patching->bytes--; /* the comma */
    return cJSON_DetachItemViaPointer(place->parent, place->item);
}

static void insert_before(cJSON *array, cJSON *next, cJSON *item)
{
    /* cJSON_InsertItemInArray() would count from the front once more. The first item's ->prev is the last
     * one. */
    item->next = next;
    item->prev = next->prev;
    next->prev = item;
    if (next == array->child)
        array->child = item;
    else
        item->prev->next = item;
}

/* Puts @item where @place says that nothing is, or before the element there. */
static void attach_node(struct patching *patching, const struct place *place, cJSON *item, size_t bytes)
{
    if (place->parent->child)
        patching->bytes++; /* the comma */
    if (cJSON_IsObject(place->parent)) {
        struct buffer key = {0};
        buffer_append_slice(&key, place->key);
        buffer_append_byte(&key, 0);
        patch_tree_add_member(place->parent, key.data, item);
        buffer_free(&key);
    } else if (place->item) {
        insert_before(place->parent, place->item, item);
    } else {
        cJSON_AddItemToArray(place->parent, item);
    }
    patching->bytes += member_bytes(place->parent, item, bytes);
}

/* Puts @item in the place of what is there, under the same key. */
static void exchange_nodes(struct patching *patching, const struct place *place, cJSON *item, size_t bytes)
{
    patching->bytes = patching->bytes - patch_tree_measure(place->item, &patching->work).bytes + bytes;
    if (!place->parent) {
        cJSON_Delete(patching->root);
        patching->root = item;
        return;
    }
    cJSON_free(item->string);
    item->string = place->item->string;
    place->item->string = NULL;
    cJSON_ReplaceItemViaPointer(place->parent, place->item, item);
}

static enum json_patch_result check_result(const struct patching *patching)
{
    if (patching->bytes > patching->limit)
        return patch_fail(patching, JSON_PATCH_TOO_LARGE, "the document becomes too large");
    return JSON_PATCH_OK;
}

/* "add" of an item that belongs to the patch now (RFC 6902, section 4.1). */
static enum json_patch_result add_item(struct patching *patching, cJSON *item, struct patch_measure measure)
{
    struct buffer scratch = {0};
    struct place place;
    enum json_patch_result result = JSON_PATCH_OK;
    if (!find_place(patching, patching->path, &place, &scratch))
        result = patch_fail(patching, JSON_PATCH_NO_TARGET, "the path does not exist");
    else if (place.depth + measure.depth > JSON_DEPTH_LIMIT)
        result = patch_fail(patching, JSON_PATCH_MALFORMED, "the document would be nested too deeply");
    else if (!place.parent || (place.item && cJSON_IsObject(place.parent)))
        exchange_nodes(patching, &place, item, measure.bytes);
    else
        attach_node(patching, &place, item, measure.bytes);
    if (result != JSON_PATCH_OK)
        cJSON_Delete(item);
    buffer_free(&scratch);
    return result != JSON_PATCH_OK ? result : check_result(patching);
}

static enum json_patch_result apply_add(struct patching *patching)
{
    cJSON *item = patch_tree_build(patching->value);
    return add_item(patching, item, patch_tree_measure_new(item, &patching->work));
}

/* Finds what must be there. */
static enum json_patch_result find_existing(struct patching *patching, struct slice pointer,
                                            struct place *place)
{
    struct buffer scratch = {0};
    bool found = find_place(patching, pointer, place, &scratch) && place->item;
    buffer_free(&scratch);
    place->key = slice_of(NULL, 0);
    if (found)
        return JSON_PATCH_OK;
    return patch_fail(patching, JSON_PATCH_NO_TARGET,
                      pointer.data == patching->path.data ? "the path does not exist"
                                                          : "\"from\" does not exist");
}

static enum json_patch_result apply_remove(struct patching *patching)
{
    struct place place;
    enum json_patch_result result = find_existing(patching, patching->path, &place);
    if (result != JSON_PATCH_OK)
        return result;
    if (!place.parent)
        return patch_fail(patching, JSON_PATCH_MALFORMED, "the whole document cannot be removed");
    cJSON_Delete(detach_node(patching, &place, patch_tree_measure(place.item, &patching->work).bytes));
    return JSON_PATCH_OK;
}

static enum json_patch_result apply_replace(struct patching *patching)
{
    struct place place;
    enum json_patch_result result = find_existing(patching, patching->path, &place);
    if (result != JSON_PATCH_OK)
        return result;
    cJSON *item = patch_tree_build(patching->value);
    struct patch_measure measure = patch_tree_measure_new(item, &patching->work);
    if (place.depth + measure.depth > JSON_DEPTH_LIMIT) {
        cJSON_Delete(item);
        return patch_fail(patching, JSON_PATCH_MALFORMED, "the document would be nested too deeply");
    }
    exchange_nodes(patching, &place, item, measure.bytes);
    return check_result(patching);
}

static enum json_patch_result apply_move(struct patching *patching)
{
    struct place place;
    enum json_patch_result result = find_existing(patching, patching->from, &place);
    if (result != JSON_PATCH_OK || slice_equal(patching->from, patching->path))
        return result;
    /* RFC 6902, section 4.4: not into one of its children. Pointers have one spelling, so their texts
     * tell. */
    if (patching->path.length > patching->from.length && patching->path.data[patching->from.length] == '/' &&
        slice_equal(slice_of(patching->path.data, patching->from.length), patching->from))
        return patch_fail(patching, JSON_PATCH_MALFORMED, "a value cannot be moved into itself");
    if (!place.parent)
        return patch_fail(patching, JSON_PATCH_NO_TARGET, "the path does not exist");
    struct patch_measure measure = patch_tree_measure(place.item, &patching->work);
    return add_item(patching, detach_node(patching, &place, measure.bytes), measure);
}

static enum json_patch_result apply_copy(struct patching *patching)
{
    struct place place;
    enum json_patch_result result = find_existing(patching, patching->from, &place);
    if (result != JSON_PATCH_OK)
        return result;
    struct patch_measure measure = patch_tree_measure_new(place.item, &patching->work);
    if (measure.bytes > patching->limit)
        return patch_fail(patching, JSON_PATCH_TOO_LARGE, "the document becomes too large");
    return add_item(patching, patch_tree_copy(place.item), measure);
}

static enum json_patch_result apply_test(struct patching *patching)
{
    struct buffer scratch = {0};
    struct place place;
    bool holds = find_place(patching, patching->path, &place, &scratch) && place.item &&
                 patch_tree_equal(place.item, patching->value, &patching->work);
    buffer_free(&scratch);
    if (!holds && patching->work.done > patching->work.most)
        return too_much_work(patching);
    return holds ? JSON_PATCH_OK : patch_fail(patching, JSON_PATCH_TEST_FAILED, "the test failed");
}

static const struct operation {
    struct slice name;
    enum json_patch_result (*apply)(struct patching *patching);
    bool value, from; /* the members that it needs beside "path" */
} operations_known[] = {
    {{"add", 3}, apply_add, true, false},         {{"remove", 6}, apply_remove, false, false},
    {{"replace", 7}, apply_replace, true, false}, {{"move", 4}, apply_move, false, true},
    {{"copy", 4}, apply_copy, false, true},       {{"test", 4}, apply_test, true, false},
};

static const struct operation *find_operation(struct json_value name)
{
    for (size_t i = 0; i < sizeof(operations_known) / sizeof(*operations_known); i++)
        if (json_string_is(name, operations_known[i].name))
            return &operations_known[i];
    return NULL;
}

/* Reads the members of an operation and applies it. @path and @from hold unescaped pointers. */
static enum json_patch_result apply_operation(struct patching *patching, struct json_value object,
                                              struct buffer *path, struct buffer *from)
{
    patching->name = patching->path = patching->from = slice_of(NULL, 0);
    buffer_clear(path);
    buffer_clear(from);
    if (json_type(object) != JSON_OBJECT)
        return patch_fail(patching, JSON_PATCH_MALFORMED, "an object was expected");
    const struct operation *operation = find_operation(json_member(object, SLICE("op")));
    if (!operation)
        return patch_fail(patching, JSON_PATCH_MALFORMED,
                          "\"op\" must be \"add\", \"remove\", \"replace\", \"move\", \"copy\" or \"test\"");
    patching->path = json_string(json_member(object, SLICE("path")), path);
    if (!patching->path.data || !pointer_valid(patching->path))
        return patch_fail(patching, JSON_PATCH_MALFORMED,
                          "\"path\" must be a JSON Pointer: \"\", or \"/step/step...\"");
    patching->name = operation->name;
    patching->from = json_string(json_member(object, SLICE("from")), from);
    if (operation->from && (!patching->from.data || !pointer_valid(patching->from)))
        return patch_fail(patching, JSON_PATCH_MALFORMED,
                          "\"from\" must be a JSON Pointer: \"\", or \"/step/step...\"");
    patching->value = json_member(object, SLICE("value"));
    if (operation->value && !patching->value.json)
        return patch_fail(patching, JSON_PATCH_MALFORMED, "\"value\" is missing");
    patching->work.done += PATCH_WORK_OPERATION;
    if (patching->work.done > patching->work.most)
        return too_much_work(patching);
    return operation->apply(patching);
}

static enum json_patch_result apply_all(struct patching *patching, struct json_value operations)
{
    struct buffer path = {0};
    struct buffer from = {0};
    enum json_patch_result result = JSON_PATCH_OK;
    for (struct json_iterator i = json_begin(operations); result == JSON_PATCH_OK && json_step(&i);) {
        result = apply_operation(patching, i.value, &path, &from);
        patching->operation++;
    }
    buffer_free(&path);
    buffer_free(&from);
    return result;
}

enum json_patch_result json_patch(struct buffer *out, struct json_value target, struct json_value operations,
                                  struct json_patch_bounds *bounds, char message[JSON_PATCH_MESSAGE])
{
    bounds->done = 0;
    if (json_type(operations) != JSON_ARRAY) {
        snprintf(message, JSON_PATCH_MESSAGE, "a list of operations was expected, not %s",
                 json_type_name(json_type(operations)));
        return JSON_PATCH_MALFORMED;
    }
    struct patching patching = {.root = patch_tree_build(target),
                                .limit = bounds->bytes,
                                .work = {.most = bounds->work},
                                .message = message};
    patching.bytes = patch_tree_measure_new(patching.root, &patching.work).bytes;
    enum json_patch_result result = apply_all(&patching, operations);
    if (result == JSON_PATCH_OK)
        patch_tree_append(out, patching.root);
    cJSON_Delete(patching.root);
    bounds->done = patching.work.done;
    return result;
}
