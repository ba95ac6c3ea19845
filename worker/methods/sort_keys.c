#include "worker/methods/sort_keys.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/json/compare.h"
#include "shared/json/number.h"

/* Of a message, at most a half is the keys of a cursor, of which a byte may become seven: a control character
 * is \u0001 in JSON, and with \\ in a string of JSON. */
enum { MESSAGE_SHARE = 2, ESCAPED_MOST = 7 };

enum { NO_NODE = UINT32_MAX };

/* ---- what is asked for ---- */

static bool sort_field_read(struct transaction *transaction, struct sort_field *field,
                            const struct json_iterator *each)
{
    struct slice key = json_text(each->key);
    int64_t direction;
    if (!json_integer(each->value, &direction) || (direction != 1 && direction != -1)) {
        transaction_fail(transaction, ERROR_INVALID, "sort.%.*s: expected 1 or -1", (int)key.length,
                         key.data);
        return false;
    }
    struct buffer scratch = {0};
    struct slice path = json_string(each->key, &scratch);
    field->path = memory_copy(path.data, path.length);
    field->path_length = path.length;
    field->descending = direction < 0;
    buffer_free(&scratch);
    struct slice rest = slice_of(field->path, field->path_length);
    size_t count = json_path_count(rest);
    if (count > JSON_PATH_STEPS) {
        transaction_fail(transaction, ERROR_INVALID, "sort: expected paths of at most %d steps, found %zu",
                         JSON_PATH_STEPS, count);
        return false;
    }
    field->steps = memory_zeroed(count, sizeof *field->steps);
    while (rest.data)
        field->steps[field->step_count++] = json_path_take_step(&rest);
    return true;
}

bool sort_order_read(struct transaction *transaction, struct json_value sort, size_t message_bytes,
                     struct sort_order *order)
{
    order->bytes_most = SORT_KEY_BYTES;
    if (json_type(sort) <= JSON_NULL)
        return true;
    if (json_type(sort) != JSON_OBJECT || json_count(sort) == 0 || json_count(sort) > SORT_FIELDS) {
        transaction_fail(transaction, ERROR_INVALID,
                         "sort: expected {field: 1 or -1, ...} with 1 to %d fields", SORT_FIELDS);
        return false;
    }
    size_t share = message_bytes / (MESSAGE_SHARE * ESCAPED_MOST * json_count(sort));
    if (share < order->bytes_most)
        order->bytes_most = share;
    struct json_iterator each = json_begin(sort);
    while (json_step(&each))
        if (!sort_field_read(transaction, &order->fields[order->count++], &each))
            return false;
    return true;
}

void sort_order_free(struct sort_order *order)
{
    for (size_t i = 0; i < order->count; i++) {
        free(order->fields[i].path);
        free(order->fields[i].steps);
    }
    *order = (struct sort_order){0};
}

uint64_t sort_order_hash(const struct sort_order *order)
{
    struct buffer text = {0};
    buffer_append_unsigned(&text, order->bytes_most);
    for (size_t i = 0; i < order->count; i++) {
        buffer_append_byte(&text, order->fields[i].descending ? '-' : '+');
        buffer_append(&text, order->fields[i].path, order->fields[i].path_length);
        buffer_append_byte(&text, '\0');
    }
    uint64_t hash = slice_hash(buffer_slice(&text));
    buffer_free(&text);
    return hash;
}

bool sort_order_is_natural(const struct sort_order *order)
{
    return order->count == 1 && !order->fields[0].descending &&
           slice_equal(slice_of(order->fields[0].path, order->fields[0].path_length), SLICE("_id"));
}

/* ---- comparing ---- */

static int order_two_keys(struct work *work, const struct sort_key *a, const struct sort_key *b)
{
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    size_t least = a->bytes.length < b->bytes.length ? a->bytes.length : b->bytes.length;
    if (a->type == JSON_NUMBER) { /* all digits of both are looked at */
        work_charge(work, (a->bytes.length + b->bytes.length) / 16);
        return json_number_compare(a->bytes, b->bytes);
    }
    work_charge(work, work_bytes(least));
    if (a->length != b->length)
        return a->length < b->length ? -1 : 1;
    return slice_compare(a->bytes, b->bytes);
}

int sort_keys_compare(const struct sort_order *order, struct work *work, const struct sort_key *a,
                      const struct sort_key *b)
{
    for (size_t i = 0; i < order->count; i++) {
        int by_field = order_two_keys(work, &a[i], &b[i]);
        if (by_field)
            return order->fields[i].descending ? -by_field : by_field;
    }
    return 0;
}

/* ---- taking ---- */

/* The first @most bytes, and the rest of the character that begins in them: what is cut this way keeps its
 * order. */
static struct slice cut_text(struct slice text, size_t most)
{
    if (text.length <= most)
        return text;
    while (most < text.length && ((unsigned char)text.data[most] & 0xC0) == 0x80)
        most++;
    text.length = most;
    return text;
}

static void take_text(struct sort_keys *keys, struct sort_key *key, struct slice text, size_t most)
{
    const size_t start = keys->bytes.length;
    if (key->type == JSON_NUMBER)
        json_number_append_short(&keys->bytes, text, most);
    else
        buffer_append_slice(&keys->bytes, cut_text(text, most));
    key->bytes = slice_of(keys->bytes.data + start, keys->bytes.length - start);
}

static void take_key(struct sort_keys *keys, const struct sort_order *order, struct json_value value,
                     struct json_units *units)
{
    struct sort_key *key = &keys->keys[keys->field];
    *key = (struct sort_key){.type = json_type(value), .bytes = slice_of("", 0)};
    if (key->type < JSON_NUMBER)
        return;
    struct buffer scratch = {0};
    struct slice text = json_text(value);
    if (key->type == JSON_STRING)
        text = json_string(value, &scratch);
    else if (key->type > JSON_STRING)
        key->length = text.length;
    if (scratch.length || key->type == JSON_NUMBER)
        json_units_spend(units, text.length / 8);
    take_text(keys, key, text, order->bytes_most);
    buffer_free(&scratch);
}

/* Whether a value that the path leads to comes before the best so far. */
static void consider(struct sort_keys *keys, bool descending, struct json_value document,
                     struct json_value value, struct json_units *units)
{
    struct json_value best = {keys->best == NO_NODE ? NULL : document.json, keys->best};
    if (keys->found) {
        json_units_spend(units, json_comparison_work(value, best));
        int by_value = json_order(value, best);
        if (descending ? by_value <= 0 : by_value >= 0)
            return;
    }
    keys->found = true;
    keys->best = value.json ? value.index : NO_NODE;
}

static void begin_field(struct sort_keys *keys, const struct sort_order *order)
{
    keys->found = false;
    if (keys->field < order->count)
        json_path_begin(&keys->walk, order->fields[keys->field].steps, order->fields[keys->field].step_count);
}

void sort_keys_begin(struct sort_keys *keys, const struct sort_order *order)
{
    buffer_clear(&keys->bytes);
    buffer_reserve(&keys->bytes, order->count * SORT_KEY_MOST); /* nothing moves */
    keys->field = 0;
    begin_field(keys, order);
}

bool sort_keys_take(struct sort_keys *keys, const struct sort_order *order, struct json_value document,
                    struct json_units *units)
{
    while (keys->field < order->count) {
        const struct sort_field *field = &order->fields[keys->field];
        struct json_value value;
        switch (json_path_next(&keys->walk, document, &value, units)) {
        case JSON_WALKED_MORE:
            return false;
        case JSON_WALKED_VALUE:
            if (keys->walk.element || json_type(value) != JSON_ARRAY)
                consider(keys, field->descending, document, value, units);
            else if (json_count(value))
                json_path_enter(&keys->walk, value);
            else
                consider(keys, field->descending, document, (struct json_value){NULL, 0}, units);
            break;
        case JSON_WALKED_END:
            value = (struct json_value){keys->best == NO_NODE ? NULL : document.json, keys->best};
            take_key(keys, order, value, units);
            keys->field++;
            begin_field(keys, order);
            break;
        }
    }
    return true;
}

void sort_keys_free(struct sort_keys *keys)
{
    buffer_free(&keys->bytes);
}
