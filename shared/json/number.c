#include "shared/json/number.h"

#include "shared/json/compare.h"

/*
 * A number text taken apart: 0.d1 d2 d3 ... times ten to the power of (the written exponent plus ->shift), d1
 * not being 0. All is exact: the written exponent stays text because it may have any length.
 */
struct decimal {
    bool negative;
    bool zero;
    const char *digits, *digits_end; /* from the first that is not 0; a point may stand between */
    int64_t shift;
    bool exponent_negative;
    struct slice exponent; /* digits without leading zeros; empty is 0 */
};

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static void read_exponent(struct decimal *decimal, const char *at, const char *end)
{
    if (at == end)
        return;
    at++; /* the letter */
    if (*at == '+' || *at == '-')
        decimal->exponent_negative = *at++ == '-';
    while (at < end && *at == '0')
        at++;
    decimal->exponent = slice_of(at, (size_t)(end - at));
}

static struct decimal take_apart(struct slice text)
{
    struct decimal decimal = {.zero = true};
    const char *at = text.data;
    const char *end = text.data + text.length;
    if (at < end && *at == '-') {
        decimal.negative = true;
        at++;
    }
    bool after_point = false;
    for (; at < end && (is_digit(*at) || *at == '.'); at++) {
        if (*at == '.') {
            after_point = true;
            continue;
        }
        if (decimal.zero && *at != '0') {
            decimal.zero = false;
            decimal.digits = at;
        }
        /* Digits before the point move it to the right, zeros between it and the first digit to the left. */
        if (!decimal.zero && !after_point)
            decimal.shift++;
        else if (decimal.zero && after_point)
            decimal.shift--;
    }
    decimal.digits_end = at;
    read_exponent(&decimal, at, end);
    return decimal;
}

/* The exponent as a number, cut at a size that no text can move the point by. */
static int64_t exponent_value(const struct decimal *decimal)
{
    const int64_t cut = INT64_C(1) << 40;
    int64_t value = 0;
    for (size_t i = 0; i < decimal->exponent.length && value < cut; i++)
        value = value * 10 + (decimal->exponent.data[i] - '0');
    return decimal->exponent_negative ? -value : value;
}

static int exponent_digit(const struct decimal *decimal, size_t length, size_t at)
{
    size_t missing = length - decimal->exponent.length;
    int digit = at < missing ? 0 : decimal->exponent.data[at - missing] - '0';
    return decimal->exponent_negative ? -digit : digit;
}

/*
 * The difference of the magnitudes' exponents. The written exponents are subtracted digit by digit; once the
 * difference is far above what the shifts can make good no later digit can bring it back (ten times as much,
 * less 18).
 */
static int compare_exponents(const struct decimal *a, const struct decimal *b)
{
    const int64_t far = INT64_C(1) << 40;
    size_t length = a->exponent.length > b->exponent.length ? a->exponent.length : b->exponent.length;
    int64_t difference = 0;
    for (size_t i = 0; i < length && difference < far && difference > -far; i++)
        difference = difference * 10 + exponent_digit(a, length, i) - exponent_digit(b, length, i);
    difference += a->shift - b->shift;
    return (difference > 0) - (difference < 0);
}

static char next_digit(const char **at, const char *end)
{
    if (*at < end && **at == '.')
        ++*at;
    return *at < end ? *(*at)++ : '0';
}

static int compare_digits(const struct decimal *a, const struct decimal *b)
{
    const char *left = a->digits;
    const char *right = b->digits;
    while (left < a->digits_end || right < b->digits_end) {
        char from_left = next_digit(&left, a->digits_end);
        char from_right = next_digit(&right, b->digits_end);
        if (from_left != from_right)
            return from_left < from_right ? -1 : 1;
    }
    return 0;
}

/* Most numbers are integers of few digits. */
static bool short_integer(struct slice text, int64_t *out)
{
    if (text.length == 0 || text.length > 18)
        return false;
    size_t at = text.data[0] == '-';
    int64_t value = 0;
    for (; at < text.length; at++) {
        if (!is_digit(text.data[at]))
            return false;
        value = value * 10 + (text.data[at] - '0');
    }
    *out = text.data[0] == '-' ? -value : value;
    return true;
}

int json_number_compare(struct slice a, struct slice b)
{
    int64_t short_a, short_b;
    if (short_integer(a, &short_a) && short_integer(b, &short_b))
        return (short_a > short_b) - (short_a < short_b);

    struct decimal left = take_apart(a);
    struct decimal right = take_apart(b);
    int left_sign = left.zero ? 0 : left.negative ? -1 : 1;
    int right_sign = right.zero ? 0 : right.negative ? -1 : 1;
    if (left_sign != right_sign)
        return left_sign < right_sign ? -1 : 1;
    if (left_sign == 0)
        return 0;
    int order = compare_exponents(&left, &right);
    if (order == 0)
        order = compare_digits(&left, &right);
    return left_sign < 0 ? -order : order;
}

bool json_number_integer(struct slice text, int64_t *out)
{
    if (short_integer(text, out))
        return true;
    struct decimal decimal = take_apart(text);
    if (decimal.zero) {
        *out = 0;
        return true;
    }
    /* 2^63 has 19 digits, and 19 digits always fit 64 bits without a sign. */
    int64_t places = decimal.shift + exponent_value(&decimal);
    if (places < 1 || places > 19)
        return false;
    uint64_t value = 0;
    const char *at = decimal.digits;
    for (int64_t i = 0; i < places; i++)
        value = value * 10 + (uint64_t)(next_digit(&at, decimal.digits_end) - '0');
    while (at < decimal.digits_end)
        if (next_digit(&at, decimal.digits_end) != '0')
            return false;
    if (value > (uint64_t)INT64_MAX + decimal.negative)
        return false;
    *out = decimal.negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

void json_number_append_short(struct buffer *out, struct slice text, size_t digits)
{
    const int64_t exponent_most = INT64_C(1000000000000);
    if (text.length <= digits && !memchr(text.data, 'e', text.length) &&
        !memchr(text.data, 'E', text.length)) {
        buffer_append_slice(out, text);
        return;
    }
    struct decimal decimal = take_apart(text);
    if (decimal.zero) {
        buffer_append_byte(out, '0');
        return;
    }
    if (decimal.negative)
        buffer_append_byte(out, '-');
    int64_t exponent = decimal.shift + exponent_value(&decimal);
    if (exponent > exponent_most) {
        buffer_append_text(out, "1e1000000000001");
        return;
    }
    if (exponent < -exponent_most) {
        buffer_append_text(out, "1e-1000000000002");
        return;
    }
    buffer_append_text(out, "0.");
    for (const char *at = decimal.digits; digits && at < decimal.digits_end; digits--)
        buffer_append_byte(out, next_digit(&at, decimal.digits_end));
    buffer_append_byte(out, 'e');
    buffer_append_signed(out, exponent);
}

uint32_t json_position(struct slice step)
{
    /* Nine digits are more than a text can have elements (json_node.count). */
    if (step.length == 0 || step.length > 9 || (step.length > 1 && step.data[0] == '0'))
        return UINT32_MAX;
    uint32_t position = 0;
    for (size_t i = 0; i < step.length; i++) {
        if (!is_digit(step.data[i]))
            return UINT32_MAX;
        position = position * 10 + (uint32_t)(step.data[i] - '0');
    }
    return position;
}
