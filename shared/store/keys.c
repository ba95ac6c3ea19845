#include "shared/store/keys.h"

#include <sodium.h>
#include <stdlib.h>

#include "shared/store/bytes.h"

enum {
    EXACT = 0x00,
    HASHED = 0x01,
    NUMBER_BYTES = 8,
    DIGITS_KEPT = 40,     /* for the double: more than any double needs to be told from its neighbours */
    EXPONENT_MOST = 99999 /* far beyond any double, so clamping keeps the order */
};
static const int64_t DOUBLE_EXACT = INT64_C(1) << 53;

/* ---- numbers ---- */

/** A number text taken apart: 0.DIGITS * 10^exponent, DIGITS without zeros at either end. */
struct decimal {
    bool negative;
    struct slice text; /* from the first to the last digit that is not 0; may hold a point; empty: zero */
    int64_t exponent;
    bool far; /* the exponent does not fit */
};

static int64_t read_exponent(struct slice text, bool *far)
{
    bool negative = text.length && text.data[0] == '-';
    int64_t value = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            continue;
        if (value > INT64_C(1) << 55)
            *far = true;
        else
            value = value * 10 + (text.data[i] - '0');
    }
    return negative ? -value : value;
}

static struct decimal decimal_of(struct slice text)
{
    struct decimal out = {0};
    size_t at = 0;
    if (text.length && text.data[0] == '-') {
        out.negative = true;
        at = 1;
    }
    size_t first = SIZE_MAX, last = 0, point = SIZE_MAX, end = at;
    for (; end < text.length && text.data[end] != 'e' && text.data[end] != 'E'; end++) {
        if (text.data[end] == '.') {
            point = end;
        } else if (text.data[end] != '0') {
            if (first == SIZE_MAX)
                first = end;
            last = end;
        }
    }
    if (first == SIZE_MAX)
        return (struct decimal){0};
    if (point == SIZE_MAX)
        point = end;
    out.text = slice_of(text.data + first, last + 1 - first);
    if (end < text.length)
        out.exponent = read_exponent(slice_of(text.data + end + 1, text.length - end - 1), &out.far);
    out.exponent += first < point ? (int64_t)(point - first) : -(int64_t)(first - point - 1);
    return out;
}

/** The nearest double, or one beside it for very long texts; never out of order. */
static double decimal_double(const struct decimal *number)
{
    char text[DIGITS_KEPT + 32];
    size_t length = 0;
    text[length++] = '.';
    for (size_t i = 0; i < number->text.length && length <= DIGITS_KEPT; i++)
        if (number->text.data[i] != '.')
            text[length++] = number->text.data[i];
    if (length == 1)
        return 0;
    int64_t exponent = number->exponent;
    if (exponent > EXPONENT_MOST)
        exponent = EXPONENT_MOST;
    if (exponent < -EXPONENT_MOST)
        exponent = -EXPONENT_MOST;
    text[length++] = 'e';
    if (exponent < 0)
        text[length++] = '-';
    uint64_t magnitude = (uint64_t)(exponent < 0 ? -exponent : exponent);
    for (uint64_t unit = 10000; unit; unit /= 10)
        text[length++] = (char)('0' + magnitude / unit % 10);
    text[length] = '\0';
    /* Nothing here sets a locale, so the point is a point. */
    double value = strtod(text, NULL);
    return number->negative ? -value : value;
}

static void put_double(unsigned char *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    /* Positive: above all negative ones. Negative: greater magnitude sorts first. */
    bits = bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
    bytes_put_64_big((char *)out, bits);
}

static void put_number(struct key_value *key, struct slice text, const int64_t *integer)
{
    unsigned char *at = key->bytes + key->length;
    if (integer && *integer >= -DOUBLE_EXACT && *integer <= DOUBLE_EXACT) {
        put_double(at, (double)*integer);
        at[NUMBER_BYTES] = EXACT;
        key->length += NUMBER_BYTES + 1;
        return;
    }
    struct decimal number = decimal_of(text);
    if (number.text.length == 0) {
        int64_t zero = 0;
        put_number(key, text, &zero);
        return;
    }
    put_double(at, decimal_double(&number));
    at[NUMBER_BYTES] = HASHED;
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, KEY_HASH);
    char head[1 + 8 + 1];
    head[0] = number.negative ? '-' : '+';
    bytes_put_64(head + 1, (uint64_t)number.exponent);
    head[9] = number.far ? 1 : 0;
    crypto_generichash_update(&state, (const unsigned char *)head, sizeof head);
    const char *point = memchr(number.text.data, '.', number.text.length);
    size_t before = point ? (size_t)(point - number.text.data) : number.text.length;
    crypto_generichash_update(&state, (const unsigned char *)number.text.data, before);
    if (point)
        crypto_generichash_update(&state, (const unsigned char *)point + 1, number.text.length - before - 1);
    if (number.far)
        crypto_generichash_update(&state, (const unsigned char *)text.data, text.length);
    crypto_generichash_final(&state, at + NUMBER_BYTES + 1, KEY_HASH);
    key->length += NUMBER_BYTES + 1 + KEY_HASH;
}

/* ---- strings ---- */

static void put_string(struct key_value *key, struct slice text)
{
    unsigned char *at = key->bytes + key->length;
    if (text.length <= KEY_TEXT_MOST) {
        if (text.length)
            memcpy(at, text.data, text.length);
        at[text.length] = EXACT;
        key->length += text.length + 1;
        return;
    }
    memcpy(at, text.data, KEY_TEXT_MOST);
    at[KEY_TEXT_MOST] = HASHED;
    crypto_generichash(at + KEY_TEXT_MOST + 1, KEY_HASH, (const unsigned char *)text.data, text.length, NULL,
                       0);
    key->length += KEY_TEXT_MOST + 1 + KEY_HASH;
}

/* ---- values ---- */

static void start_key(struct key_value *key, unsigned kind)
{
    key->bytes[0] = (unsigned char)kind;
    key->length = 1;
}

bool key_value_of(struct key_value *key, struct json_value scalar)
{
    int64_t integer;
    struct buffer scratch = {0};
    switch (json_type(scalar)) {
    case JSON_FALSE:
        start_key(key, KEY_FALSE);
        return true;
    case JSON_TRUE:
        start_key(key, KEY_TRUE);
        return true;
    case JSON_NUMBER:
        start_key(key, KEY_NUMBER);
        put_number(key, json_text(scalar), json_integer(scalar, &integer) ? &integer : NULL);
        return true;
    case JSON_STRING:
        start_key(key, KEY_STRING);
        put_string(key, json_string(scalar, &scratch));
        buffer_free(&scratch);
        return true;
    case JSON_NONE:
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return false;
}

bool key_lower_bound(struct key_value *key, struct json_value value)
{
    enum json_type type = json_type(value);
    if ((type != JSON_NUMBER && type != JSON_STRING) || !key_value_of(key, value))
        return false;
    /* The hash is not in the order of values: what counts is before it. */
    if (type == JSON_NUMBER)
        key->length = 1 + NUMBER_BYTES;
    else if (key->length > 1 + KEY_TEXT_MOST)
        key->length = 1 + KEY_TEXT_MOST;
    else
        key->length--;
    return true;
}

bool key_upper_bound(struct key_value *key, struct json_value value)
{
    enum json_type type = json_type(value);
    if ((type != JSON_NUMBER && type != JSON_STRING) || !key_value_of(key, value))
        return false;
    if (type == JSON_NUMBER)
        key->length = 1 + NUMBER_BYTES;
    else if (key->length > 1 + KEY_TEXT_MOST + 1)
        key->length = 1 + KEY_TEXT_MOST + 1;
    key_successor(key);
    return true;
}

void key_successor(struct key_value *key)
{
    /* Never all 0xFF: no kind is. */
    while (key->bytes[key->length - 1] == 0xFF)
        key->length--;
    key->bytes[key->length - 1]++;
}

static size_t string_value_length(struct slice key)
{
    size_t most = key.length < 1 + KEY_TEXT_MOST + 1 ? key.length : 1 + KEY_TEXT_MOST + 1;
    const char *end = memchr(key.data + 1, EXACT, most - 1);
    if (end)
        return (size_t)(end - key.data) + 1;
    return 1 + KEY_TEXT_MOST + 1 + KEY_HASH;
}

bool key_split(struct slice key, struct slice *value, struct slice *id)
{
    if (key.length < 2)
        return false;
    size_t length = 1;
    unsigned kind = (unsigned char)key.data[0] & ~(unsigned)KEY_IN_ARRAY;
    if (kind == KEY_NUMBER)
        length +=
            NUMBER_BYTES + 1 +
            (size_t)(key.length > length + NUMBER_BYTES && key.data[length + NUMBER_BYTES] ? KEY_HASH : 0);
    else if (kind == KEY_STRING)
        length = string_value_length(key);
    if (length >= key.length)
        return false;
    *value = slice_of(key.data, length);
    *id = slice_of(key.data + length, key.length - length);
    return true;
}

/* ---- once ---- */

static void hash_part(crypto_generichash_state *state, struct slice part)
{
    char length[8];
    bytes_put_64(length, part.length);
    crypto_generichash_update(state, (const unsigned char *)length, sizeof length);
    if (part.length)
        crypto_generichash_update(state, (const unsigned char *)part.data, part.length);
}

void key_once(unsigned char out[KEY_ONCE], struct slice user, uint64_t former, struct slice method,
              struct slice key)
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, KEY_ONCE);
    hash_part(&state, user);
    hash_part(&state, method);
    hash_part(&state, key);
    if (former) {
        char number[8];
        bytes_put_64(number, former);
        hash_part(&state, slice_of(number, sizeof number));
    }
    crypto_generichash_final(&state, out, KEY_ONCE);
}
