#include "shared/json/compare.h"

#include "shared/json/characters.h"
#include "shared/json/key_set.h"
#include "shared/json/number.h"

static struct json_value member_of_key(struct json_value object, struct json_value key)
{
    for (struct json_iterator i = json_begin(object); json_step(&i);)
        if (json_same_string(i.key, key))
            return i.value;
    return (struct json_value){NULL, 0};
}

/* When two numbers are the same, which have their texts. */
typedef bool number_equality(struct slice a, struct slice b);

static bool same_value(struct slice a, struct slice b)
{
    return json_number_compare(a, b) == 0;
}

static bool equal_values(struct json_value a, struct json_value b, number_equality *numbers);

/* Both have the same number of members. Mostly they stand in the same order. */
static bool objects_equal(struct json_value a, struct json_value b, number_equality *numbers)
{
    struct json_iterator left = json_begin(a);
    struct json_iterator right = json_begin(b);
    struct json_key_set set = {0};
    bool same = true;
    while (same && json_step(&left) && json_step(&right)) {
        struct json_value other = right.value;
        if (set.slots || !json_same_string(left.key, right.key)) {
            if (!set.slots && json_count(b) > JSON_KEY_SET_FROM)
                json_key_set_of(&set, b);
            other = set.slots ? json_key_set_find(&set, left.key) : member_of_key(b, left.key);
        }
        same = equal_values(left.value, other, numbers);
    }
    json_key_set_free(&set);
    return same;
}

static bool arrays_equal(struct json_value a, struct json_value b, number_equality *numbers)
{
    struct json_iterator left = json_begin(a);
    struct json_iterator right = json_begin(b);
    while (json_step(&left) && json_step(&right))
        if (!equal_values(left.value, right.value, numbers))
            return false;
    return true;
}

static bool equal_values(struct json_value a, struct json_value b, number_equality *numbers)
{
    enum json_type type = json_type(a);
    if (type != json_type(b) || json_count(a) != json_count(b))
        return false;
    switch (type) {
    case JSON_NONE:
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
        return true;
    case JSON_NUMBER:
        return numbers(json_text(a), json_text(b));
    case JSON_STRING:
        return json_same_string(a, b);
    case JSON_ARRAY:
        return slice_equal(json_text(a), json_text(b)) || arrays_equal(a, b, numbers);
    case JSON_OBJECT:
        return slice_equal(json_text(a), json_text(b)) || objects_equal(a, b, numbers);
    }
    return false;
}

bool json_equal(struct json_value a, struct json_value b)
{
    return equal_values(a, b, same_value);
}

bool json_same_digits(struct json_value a, struct json_value b)
{
    return equal_values(a, b, slice_equal);
}

int json_order(struct json_value a, struct json_value b)
{
    /* The types are declared in this order. */
    enum json_type type = json_type(a);
    if (type != json_type(b))
        return type < json_type(b) ? -1 : 1;
    if (type == JSON_NUMBER)
        return json_number_compare(json_text(a), json_text(b));
    if (type == JSON_STRING)
        return json_string_compare(a, b);
    if (type != JSON_ARRAY && type != JSON_OBJECT)
        return 0;
    struct slice left = json_text(a);
    struct slice right = json_text(b);
    if (left.length != right.length)
        return left.length < right.length ? -1 : 1;
    return slice_compare(left, right);
}

enum { UNIT_BYTES = 64, UNIT_BYTES_READ = 8 }; /* compared at once; read one by one */

uint64_t json_comparison_work(struct json_value a, struct json_value b)
{
    enum json_type type = json_type(a);
    if (type != json_type(b) || type < JSON_NUMBER)
        return 1;
    size_t left = json_text(a).length, right = json_text(b).length;
    size_t least = left < right ? left : right;
    switch (type) {
    case JSON_NUMBER:
        return 1 + (left + right) / UNIT_BYTES_READ;
    case JSON_STRING:
        return 1 + least / (json_escaped(a) || json_escaped(b) ? UNIT_BYTES_READ : UNIT_BYTES);
    case JSON_NONE:
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return 1 + (json_count(a) == json_count(b) ? least / UNIT_BYTES_READ : 0);
}

static struct json_value array_element(struct json_value array, uint32_t position)
{
    if (position < json_count(array))
        for (struct json_iterator i = json_begin(array); json_step(&i);)
            if (position-- == 0)
                return i.value;
    return (struct json_value){NULL, 0};
}

struct json_value json_at_path(struct json_value value, struct slice path)
{
    const char *at = path.data;
    const char *end = path.data + path.length;
    for (;;) {
        const char *dot = memchr(at, '.', (size_t)(end - at));
        struct slice step = slice_of(at, (size_t)((dot ? dot : end) - at));
        value = json_type(value) == JSON_ARRAY ? array_element(value, json_position(step))
                                               : json_member(value, step);
        if (!dot || !value.json)
            return value;
        at = dot + 1;
    }
}
