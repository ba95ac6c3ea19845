#include "shared/json/path.h"

#include "shared/json/number.h"

struct json_path_step json_path_take_step(struct slice *rest)
{
    const char *dot = memchr(rest->data, '.', rest->length);
    struct slice name = slice_of(rest->data, dot ? (size_t)(dot - rest->data) : rest->length);
    *rest = dot ? slice_of(dot + 1, rest->length - name.length - 1) : (struct slice){0};
    return (struct json_path_step){name, json_position(name)};
}

size_t json_path_count(struct slice path)
{
    size_t count = 1;
    for (size_t i = 0; i < path.length; i++)
        count += path.data[i] == '.';
    return count;
}

void json_path_begin(struct json_path_walk *walk, const struct json_path_step *steps, uint32_t count)
{
    walk->steps = steps;
    walk->step_count = count;
    walk->value = 0;
    walk->step = 0;
    walk->following = true;
    walk->element = false;
    walk->arrived = false;
    walk->depth = 0;
}

static void enter_array(struct json_path_walk *walk, struct json_value array, uint32_t step)
{
    uint32_t end = array.json->nodes[array.index].next;
    walk->places[walk->depth++] = (struct json_path_place){array.index + 1, end, 0, step};
}

void json_path_enter(struct json_path_walk *walk, struct json_value array)
{
    enter_array(walk, array, walk->step_count);
}

static void follow_from(struct json_path_walk *walk, uint32_t value, uint32_t step)
{
    walk->value = value;
    walk->step = step;
    walk->following = true;
}

/* To where the path ends (true), or goes through an array. */
static bool follow_objects(struct json_path_walk *walk, struct json_value document, struct json_value *value,
                           struct json_units *units)
{
    uint32_t step = walk->step;
    *value = (struct json_value){document.json, walk->value};
    while (step < walk->step_count && json_type(*value) == JSON_OBJECT) {
        json_units_spend(units, 1 + json_count(*value) / 4);
        *value = json_member(*value, walk->steps[step++].name);
    }
    walk->following = false;
    walk->element = false;
    if (step == walk->step_count)
        return true;
    if (json_type(*value) == JSON_ARRAY) {
        enter_array(walk, *value, step);
        return false;
    }
    *value = (struct json_value){NULL, 0};
    return true;
}

/* There is one way to each value, so the cost is bounded by the document's size. True: an element is a
 * value. */
static bool next_element(struct json_path_walk *walk, struct json_value document, struct json_value *value,
                         struct json_units *units)
{
    const struct json_node *nodes = document.json->nodes;
    struct json_path_place *place = &walk->places[walk->depth - 1];
    const uint32_t step = place->step;
    const uint32_t wanted = step < walk->step_count ? walk->steps[step].position : UINT32_MAX;
    while (place->next < place->end && units->left) {
        const uint32_t element = place->next, position = place->position++;
        place->next = nodes[element].next;
        json_units_spend(units, 1);
        if (step == walk->step_count) {
            *value = (struct json_value){document.json, element};
            walk->element = true;
            return true;
        }
        if (wanted == position) {
            walk->depth--;
            follow_from(walk, element, step + 1);
            return false;
        }
        if (wanted == UINT32_MAX && nodes[element].type == JSON_OBJECT) {
            follow_from(walk, element, step);
            return false;
        }
    }
    if (place->next >= place->end)
        walk->depth--;
    return false;
}

enum json_walked json_path_next(struct json_path_walk *walk, struct json_value document,
                                struct json_value *value, struct json_units *units)
{
    bool found = false;
    while (!found && units->left) {
        if (walk->following) {
            found = follow_objects(walk, document, value, units);
        } else if (walk->depth) {
            found = next_element(walk, document, value, units);
        } else if (walk->arrived) {
            return JSON_WALKED_END;
        } else {
            *value = (struct json_value){NULL, 0};
            walk->element = false;
            found = true;
        }
    }
    walk->arrived |= found;
    return found ? JSON_WALKED_VALUE : JSON_WALKED_MORE;
}
