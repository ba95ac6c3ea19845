#include "shared/json/json.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/json/number.h"

void json_free(struct json *json)
{
    free(json->nodes);
    *json = (struct json){0};
}

void json_take_out(struct json *json, const char *text, struct json_value value)
{
    const struct json_node *first = &value.json->nodes[value.index];
    uint32_t count = first->next - value.index, offset = first->start;
    *json = (struct json){.text = text,
                          .length = first->end - offset,
                          .nodes = memory_resize(NULL, count, sizeof *json->nodes),
                          .count = count,
                          .capacity = count,
                          .compact = value.json->compact};
    for (uint32_t i = 0; i < count; i++) {
        struct json_node *node = &json->nodes[i];
        *node = first[i];
        node->start -= offset;
        node->end -= offset;
        node->next -= value.index;
    }
}

struct json_value json_root(const struct json *json)
{
    return json->count ? (struct json_value){json, 0} : (struct json_value){NULL, 0};
}

const char *json_type_name(enum json_type type)
{
    switch (type) {
    case JSON_NONE:
        return "nothing";
    case JSON_NULL:
        return "null";
    case JSON_FALSE:
    case JSON_TRUE:
        return "a boolean";
    case JSON_NUMBER:
        return "a number";
    case JSON_STRING:
        return "a string";
    case JSON_ARRAY:
        return "an array";
    case JSON_OBJECT:
        return "an object";
    }
    return "nothing";
}

struct slice json_text(struct json_value value)
{
    if (!value.json)
        return slice_of(NULL, 0);
    const struct json_node *node = &value.json->nodes[value.index];
    return slice_of(value.json->text + node->start, node->end - node->start);
}

uint32_t json_count(struct json_value value)
{
    return value.json ? value.json->nodes[value.index].count : 0;
}

struct json_value json_member(struct json_value object, struct slice key)
{
    if (json_type(object) != JSON_OBJECT)
        return (struct json_value){NULL, 0};
    const struct json *json = object.json;
    const struct json_node *nodes = json->nodes;
    for (uint32_t at = object.index + 1, end = nodes[object.index].next; at < end; at = nodes[at + 1].next) {
        const struct json_node *node = &nodes[at];
        bool same = node->escaped ? json_string_is((struct json_value){json, at}, key)
                                  : node->end - node->start - 2 == key.length &&
                                        (key.length == 0 ||
                                         memcmp(json->text + node->start + 1, key.data, key.length) == 0);
        if (same)
            return (struct json_value){json, at + 1};
    }
    return (struct json_value){NULL, 0};
}

struct json_iterator json_begin(struct json_value container)
{
    enum json_type type = json_type(container);
    if (type != JSON_OBJECT && type != JSON_ARRAY)
        return (struct json_iterator){0};
    return (struct json_iterator){
        .value = container,
        .at = container.index + 1,
        .end = container.json->nodes[container.index].next,
        .object = type == JSON_OBJECT,
    };
}

bool json_step(struct json_iterator *iterator)
{
    if (iterator->at >= iterator->end)
        return false;
    if (iterator->object) {
        iterator->key = (struct json_value){iterator->value.json, iterator->at};
        iterator->at++;
    }
    iterator->value.index = iterator->at;
    iterator->at = iterator->value.json->nodes[iterator->at].next;
    return true;
}

bool json_integer(struct json_value value, int64_t *out)
{
    return json_type(value) == JSON_NUMBER && json_number_integer(json_text(value), out);
}

bool json_boolean(struct json_value value, bool *out)
{
    enum json_type type = json_type(value);
    if (type != JSON_TRUE && type != JSON_FALSE)
        return false;
    *out = type == JSON_TRUE;
    return true;
}

/* Containers that are open while nodes are written one after the other. */
struct open_container {
    uint32_t end; /* node after it */
    bool object;
};

void json_append_compact(struct buffer *out, struct json_value value)
{
    if (!value.json)
        return;
    if (value.json->compact) {
        buffer_append_slice(out, json_text(value));
        return;
    }
    const struct json *json = value.json;
    uint32_t end = json->nodes[value.index].next;
    struct open_container open[JSON_DEPTH_ANSWER];
    unsigned depth = 0;
    bool key = false; /* whether the node is one */
    /* White space only goes away: what stands in the text is room enough. */
    char *start = buffer_reserve(out, json_text(value).length);
    char *to = start;
    for (uint32_t at = value.index; at < end; at++) {
        const struct json_node *node = &json->nodes[at];
        if (!key && (node->type == JSON_OBJECT || node->type == JSON_ARRAY)) {
            bool object = node->type == JSON_OBJECT;
            *to++ = object ? '{' : '[';
            open[depth++] = (struct open_container){node->next, object};
            key = object;
            if (node->next != at + 1)
                continue;
        } else {
            size_t length = node->end - node->start;
            memcpy(to, json->text + node->start, length);
            to += length;
            if (key) {
                *to++ = ':';
                key = false;
                continue;
            }
        }
        while (depth && open[depth - 1].end == at + 1)
            *to++ = open[--depth].object ? '}' : ']';
        if (depth) {
            *to++ = ',';
            key = open[depth - 1].object;
        }
    }
    out->length += (size_t)(to - start);
}
