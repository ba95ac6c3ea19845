#include "shared/json/merge_patch.h"

#include "shared/json/characters.h"
#include "shared/json/key_set.h"

/*
 * Finds the members of one object by the keys of another: looks through all when there are few, asks a set
 * when there are many. Either way one member costs the same however many there are.
 */
struct lookup {
    struct json_value object;
    struct json_key_set set;
};

static struct lookup lookup_begin(struct json_value object)
{
    struct lookup lookup = {.object = object};
    if (json_type(object) == JSON_OBJECT && json_count(object) > JSON_KEY_SET_FROM)
        json_key_set_of(&lookup.set, object);
    return lookup;
}

static struct json_value lookup_find(const struct lookup *lookup, struct json_value key)
{
    if (lookup->set.slots)
        return json_key_set_find(&lookup->set, key);
    for (struct json_iterator i = json_begin(lookup->object); json_step(&i);)
        if (json_same_string(i.key, key))
            return i.value;
    return (struct json_value){NULL, 0};
}

static void append_member(struct buffer *out, size_t start, struct json_value key)
{
    if (out->length > start)
        buffer_append_byte(out, ',');
    buffer_append_slice(out, json_text(key));
    buffer_append_byte(out, ':');
}

static void merge_objects(struct buffer *out, struct json_value target, struct json_value patch)
{
    buffer_append_byte(out, '{');
    size_t start = out->length;

    struct lookup changes = lookup_begin(patch);
    for (struct json_iterator i = json_begin(target); json_step(&i);) {
        struct json_value change = lookup_find(&changes, i.key);
        if (json_type(change) == JSON_NULL)
            continue;
        append_member(out, start, i.key);
        if (change.json)
            json_merge_patch(out, i.value, change);
        else
            json_append_compact(out, i.value);
    }
    json_key_set_free(&changes.set);

    struct lookup present = lookup_begin(target);
    for (struct json_iterator i = json_begin(patch); json_step(&i);) {
        if (json_type(i.value) == JSON_NULL || lookup_find(&present, i.key).json)
            continue;
        append_member(out, start, i.key);
        json_merge_patch(out, (struct json_value){NULL, 0}, i.value);
    }
    json_key_set_free(&present.set);
    buffer_append_byte(out, '}');
}

void json_merge_patch(struct buffer *out, struct json_value target, struct json_value patch)
{
    if (json_type(patch) != JSON_OBJECT) {
        json_append_compact(out, patch);
        return;
    }
    /* A target that is no object counts as an empty one (RFC 7396, section 2). */
    if (json_type(target) != JSON_OBJECT)
        target = (struct json_value){NULL, 0};
    merge_objects(out, target, patch);
}
