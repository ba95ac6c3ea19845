#include "shared/store/index.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/json/number.h"
#include "shared/store/environment.h"
#include "shared/store/keys.h"

static void add_key(struct index_keys *list, const struct key_value *key)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 8;
        list->items = memory_resize(list->items, list->capacity, sizeof *list->items);
    }
    /* The bytes still move: an offset for now. */
    list->items[list->count++] = slice_of((const char *)(uintptr_t)list->bytes.length, key->length);
    buffer_append(&list->bytes, key->bytes, key->length);
}

static int by_bytes(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static void sort_and_fold(struct index_keys *list)
{
    if (list->count < 2)
        return;
    qsort(list->items, list->count, sizeof *list->items, by_bytes);
    size_t kept = 1;
    for (size_t i = 1; i < list->count; i++)
        if (!slice_equal(list->items[i], list->items[kept - 1]))
            list->items[kept++] = list->items[i];
    list->count = kept;
}

/* ---- the values that a path leads to, as a query follows it ---- */

struct walk {
    struct index_keys *list;
    bool spread; /* the path went into an array, or ended at one: there may be several values */
    bool many;   /* and there are too many */
};

static void take_scalar(struct walk *walk, struct json_value scalar)
{
    struct key_value key;
    if (!key_value_of(&key, scalar))
        return;
    walk->many = walk->list->count == KEY_ELEMENTS_MOST;
    if (!walk->many)
        add_key(walk->list, &key);
}

/** A number steps into an array; any other name goes on in each element that is an object. */
static void follow_path(struct walk *walk, struct json_value value, struct slice path)
{
    while (path.data && json_type(value) == JSON_OBJECT) {
        const char *dot = memchr(path.data, '.', path.length);
        size_t step = dot ? (size_t)(dot - path.data) : path.length;
        value = json_member(value, slice_of(path.data, step));
        path = dot ? slice_of(dot + 1, path.length - step - 1) : (struct slice){0};
    }
    if (json_type(value) != JSON_ARRAY) {
        if (!path.data)
            take_scalar(walk, value);
        return;
    }
    const char *dot = path.data ? memchr(path.data, '.', path.length) : NULL;
    size_t step = dot ? (size_t)(dot - path.data) : path.length;
    struct slice rest = dot ? slice_of(dot + 1, path.length - step - 1) : (struct slice){0};
    uint32_t wanted = path.data ? json_position(slice_of(path.data, step)) : UINT32_MAX, position = 0;
    walk->spread |= wanted == UINT32_MAX;
    struct json_iterator i = json_begin(value);
    for (; json_step(&i) && !walk->many; position++) {
        if (!path.data)
            take_scalar(walk, i.value);
        else if (wanted == position)
            follow_path(walk, i.value, rest);
        else if (wanted == UINT32_MAX && json_type(i.value) == JSON_OBJECT)
            follow_path(walk, i.value, path);
    }
}

void index_keys_of(struct index_keys *list, const struct store_index *index, struct json_value root)
{
    buffer_clear(&list->bytes);
    list->count = 0;
    struct walk walk = {.list = list};
    follow_path(&walk, root, index->field);
    if (walk.many) {
        buffer_clear(&list->bytes);
        list->count = 0;
        add_key(list, &(struct key_value){.length = 1, .bytes = {KEY_MANY}});
    }
    for (size_t i = 0; i < list->count; i++) {
        char *bytes = list->bytes.data + (uintptr_t)list->items[i].data;
        if (walk.spread && !walk.many)
            bytes[0] = (char)((unsigned char)bytes[0] | KEY_IN_ARRAY);
        list->items[i].data = bytes;
    }
    sort_and_fold(list);
}

bool index_keys_are_many(const struct index_keys *list)
{
    return list->count == 1 && (unsigned char)list->items[0].data[0] == KEY_MANY;
}

void index_keys_free(struct index_keys *list)
{
    buffer_free(&list->bytes);
    free(list->items);
    *list = (struct index_keys){0};
}
