#include "worker/methods/find_cursor.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

#include "shared/store/store.h"
#include "worker/rpc/params.h"

enum { HASH_DIGITS = 16, POSITION_MOST = 511 }; /* of LMDB */

/* Of a byte that is a control character, \\u0001; of an id, which has none, \\\" */
enum { KEY_ESCAPED = 7, ID_ESCAPED = 4, KEY_AROUND = 40, AROUND = 40 };

static void hash_text(const struct sort_order *order, char text[HASH_DIGITS + 1])
{
    snprintf(text, HASH_DIGITS + 1, "%016" PRIx64, sort_order_hash(order));
}

static void append_key(struct buffer *out, const struct sort_key *key)
{
    buffer_append_text(out, ",[");
    switch (key->type) {
    case JSON_NONE:
        break;
    case JSON_NULL:
        buffer_append_text(out, "null");
        break;
    case JSON_FALSE:
        buffer_append_text(out, "false");
        break;
    case JSON_TRUE:
        buffer_append_text(out, "true");
        break;
    case JSON_NUMBER:
        buffer_append_slice(out, key->bytes);
        break;
    case JSON_STRING:
        json_append_string(out, key->bytes);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        buffer_append_text(out, key->type == JSON_ARRAY ? "[]," : "{},");
        buffer_append_unsigned(out, key->length);
        buffer_append_byte(out, ',');
        json_append_string(out, key->bytes);
        break;
    }
    buffer_append_byte(out, ']');
}

void find_cursor_append_sorted(struct buffer *out, const struct sort_order *order,
                               const struct sort_key *keys, struct slice id)
{
    struct buffer text = {0};
    char hash[HASH_DIGITS + 1];
    hash_text(order, hash);
    buffer_append_text(&text, "[\"");
    buffer_append_text(&text, hash);
    buffer_append_text(&text, "\",");
    json_append_string(&text, id);
    for (size_t i = 0; i < order->count; i++)
        append_key(&text, &keys[i]);
    buffer_append_byte(&text, ']');
    json_append_string(out, buffer_slice(&text));
    buffer_free(&text);
}

void find_cursor_append_walked(struct buffer *out, const char *index, struct slice position)
{
    struct buffer text = {0};
    char digits[2 * POSITION_MOST + 1];
    buffer_append_byte(&text, '[');
    json_append_string(&text, slice_text(index ? index : ""));
    buffer_append_byte(&text, ',');
    if (index) {
        sodium_bin2hex(digits, sizeof digits, (const unsigned char *)position.data, position.length);
        position = slice_text(digits);
    }
    json_append_string(&text, position);
    buffer_append_byte(&text, ']');
    json_append_string(out, buffer_slice(&text));
    buffer_free(&text);
}

size_t find_cursor_walked_most(const char *index, struct slice position)
{
    return AROUND + ID_ESCAPED * (position.length + slice_text(index).length);
}

size_t find_cursor_sorted_most(const struct sort_order *order, const struct sort_key *keys, struct slice id)
{
    size_t bytes = HASH_DIGITS + AROUND + ID_ESCAPED * id.length;
    for (size_t i = 0; i < order->count; i++)
        bytes += KEY_AROUND + KEY_ESCAPED * keys[i].bytes.length;
    return bytes;
}

/* ---- reading ---- */

/* Copies the characters of a string. There is room, so that nothing moves. */
static bool take_string(struct find_cursor *cursor, struct json_value value, struct slice *out)
{
    struct buffer scratch = {0};
    struct slice text = json_string(value, &scratch);
    *out = slice_of(cursor->bytes.data + cursor->bytes.length, text.length);
    if (text.data)
        buffer_append_slice(&cursor->bytes, text);
    buffer_free(&scratch);
    return text.data != NULL;
}

/* [[] or {}, length, "text"] */
static bool read_container(struct find_cursor *cursor, struct sort_key *key, struct json_iterator *each)
{
    int64_t length;
    key->type = json_type(each->value);
    if (json_count(each->value) || !json_step(each) || !json_integer(each->value, &length) || length < 0 ||
        !json_step(each) || !take_string(cursor, each->value, &key->bytes))
        return false;
    key->length = (size_t)length;
    return !json_step(each);
}

static bool read_key(struct find_cursor *cursor, struct sort_key *key, struct json_value value)
{
    *key = (struct sort_key){.type = JSON_NONE, .bytes = slice_of("", 0)};
    if (json_type(value) != JSON_ARRAY)
        return false;
    struct json_iterator each = json_begin(value);
    if (!json_step(&each))
        return true;
    key->type = json_type(each.value);
    if (key->type > JSON_STRING)
        return read_container(cursor, key, &each);
    if (json_count(value) != 1)
        return false;
    if (key->type == JSON_STRING)
        return take_string(cursor, each.value, &key->bytes);
    if (key->type == JSON_NUMBER) {
        key->bytes = slice_of(cursor->bytes.data + cursor->bytes.length, json_text(each.value).length);
        buffer_append_slice(&cursor->bytes, json_text(each.value));
    }
    return true;
}

/* Longer keys than the server makes are refused: each document that matches is compared with them. */
static bool read_keys(struct find_cursor *cursor, struct json_iterator *each, const struct sort_order *order)
{
    char hash[HASH_DIGITS + 1];
    hash_text(order, hash);
    if (!json_string_is(each->value, slice_text(hash)) || !json_step(each) ||
        !take_string(cursor, each->value, &cursor->id) || !params_id_valid(cursor->id))
        return false;
    for (size_t i = 0; i < order->count; i++)
        if (!json_step(each) || !read_key(cursor, &cursor->keys[i], each->value) ||
            cursor->keys[i].bytes.length > SORT_KEY_MOST)
            return false;
    return true;
}

static bool read_position(struct find_cursor *cursor, struct json_iterator *each, const char *index)
{
    if (!json_string_is(each->value, slice_text(index ? index : "")) || !json_step(each) ||
        !take_string(cursor, each->value, &cursor->id))
        return false;
    if (!index)
        return params_id_valid(cursor->id);
    unsigned char position[POSITION_MOST];
    size_t length;
    if (sodium_hex2bin(position, sizeof position, cursor->id.data, cursor->id.length, NULL, &length, NULL) ||
        length == 0 || 2 * length != cursor->id.length)
        return false;
    buffer_clear(&cursor->bytes);
    buffer_append(&cursor->bytes, position, length);
    cursor->id = buffer_slice(&cursor->bytes);
    return true;
}

bool find_cursor_read(struct find_cursor *cursor, struct slice text, const struct sort_order *order,
                      const char *index)
{
    struct json json = {0};
    buffer_reserve(&cursor->bytes, text.length + 1);
    bool good = text.length <= CURSOR_MOST && json_parse(&json, text.data, text.length);
    struct json_value list = good ? json_root(&json) : (struct json_value){0};
    struct json_iterator each = json_begin(list);
    good = good && json_type(list) == JSON_ARRAY && json_step(&each) &&
           (order ? read_keys(cursor, &each, order) : read_position(cursor, &each, index)) &&
           !json_step(&each);
    json_free(&json);
    return good;
}

void find_cursor_free(struct find_cursor *cursor)
{
    buffer_free(&cursor->bytes);
}
