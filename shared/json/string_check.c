#include "shared/json/string_check.h"

#include <stddef.h>
#include <stdint.h>

#include "shared/json/scan.h"

[[gnu::cold]] static const char *fault_within(struct json_string_fault *fault, const char *at,
                                              const char *error)
{
    *fault = (struct json_string_fault){at, error, true};
    return NULL;
}

/* Four hexadecimal digits; -1 when they are not. */
static int32_t read_hex(const char *at, const char *end)
{
    if (end - at < 4)
        return -1;
    int32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        char lower = (char)(at[i] | 0x20);
        if (at[i] >= '0' && at[i] <= '9')
            unit = unit * 16 + (at[i] - '0');
        else if (lower >= 'a' && lower <= 'f')
            unit = unit * 16 + (lower - 'a' + 10);
        else
            return -1;
    }
    return unit;
}

/* \uXXXX, a pair of them for what is above U+FFFF (RFC 8259, section 7). @at: the backslash. */
static const char *check_unicode_escape(const char *at, const char *end, struct json_string_fault *fault)
{
    int32_t unit = read_hex(at + 2, end);
    if (unit < 0)
        return fault_within(fault, at, "\\u without four hexadecimal digits");
    if (unit == 0)
        return fault_within(fault, at, "NUL character in a string");
    if (unit >= 0xDC00 && unit <= 0xDFFF)
        return fault_within(fault, at, "lone surrogate in a string");
    if (unit < 0xD800 || unit > 0xDBFF)
        return at + 6;
    const char *second = at + 6;
    int32_t low = -1;
    if (end - second >= 6 && second[0] == '\\' && second[1] == 'u')
        low = read_hex(second + 2, end);
    if (low < 0xDC00 || low > 0xDFFF)
        return fault_within(fault, at, "lone surrogate in a string");
    return second + 6;
}

static const char *check_escape(const char *at, const char *end, struct json_string_fault *fault)
{
    if (end - at < 2) {
        *fault = (struct json_string_fault){end, "the text ends too early", false};
        return NULL;
    }
    switch (at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return at + 2;
    case 'u':
        return check_unicode_escape(at, end, fault);
    default:
        return fault_within(fault, at, "unknown escape in a string");
    }
}

const char *json_string_check(const char *at, const char *end, bool *escaped, struct json_string_fault *fault)
{
    if (*at == '\\') {
        *escaped = true;
        return check_escape(at, end, fault);
    }
    if (*at == 0)
        return fault_within(fault, at, "NUL character in a string");
    if (!(*at & 0x80))
        return fault_within(fault, at, "control character in a string");
    do {
        size_t sequence = json_utf8_sequence(at, end);
        if (!sequence)
            return fault_within(fault, at, "bad UTF-8");
        at += sequence;
    } while (at < end && (*at & 0x80));
    return at;
}
