#include "shared/json/characters.h"

#include "shared/base/utf8.h"
#include "shared/json/scan.h"

static unsigned hex_digit(char digit)
{
    if (digit <= '9')
        return (unsigned)(digit - '0');
    return (unsigned)((digit | 0x20) - 'a') + 10;
}

static uint32_t hex_unit(const char *at)
{
    return hex_digit(at[0]) << 12 | hex_digit(at[1]) << 8 | hex_digit(at[2]) << 4 | hex_digit(at[3]);
}

static unsigned encode_utf8(uint32_t character, unsigned char out[4])
{
    if (character < 0x80) {
        out[0] = (unsigned char)character;
        return 1;
    }
    if (character < 0x800) {
        out[0] = (unsigned char)(0xC0 | character >> 6);
        out[1] = (unsigned char)(0x80 | (character & 0x3F));
        return 2;
    }
    if (character < 0x10000) {
        out[0] = (unsigned char)(0xE0 | character >> 12);
        out[1] = (unsigned char)(0x80 | (character >> 6 & 0x3F));
        out[2] = (unsigned char)(0x80 | (character & 0x3F));
        return 3;
    }
    out[0] = (unsigned char)(0xF0 | character >> 18);
    out[1] = (unsigned char)(0x80 | (character >> 12 & 0x3F));
    out[2] = (unsigned char)(0x80 | (character >> 6 & 0x3F));
    out[3] = (unsigned char)(0x80 | (character & 0x3F));
    return 4;
}

const char *json_unescape(const char *at, unsigned char out[4], unsigned *count)
{
    *count = 1;
    switch (at[1]) {
    case 'b':
        out[0] = '\b';
        return at + 2;
    case 'f':
        out[0] = '\f';
        return at + 2;
    case 'n':
        out[0] = '\n';
        return at + 2;
    case 'r':
        out[0] = '\r';
        return at + 2;
    case 't':
        out[0] = '\t';
        return at + 2;
    case 'u':
        break;
    default: /* the quote, the backslash and the slash stand for themselves */
        out[0] = (unsigned char)at[1];
        return at + 2;
    }
    uint32_t unit = hex_unit(at + 2);
    at += 6;
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        /* The parser has made sure that the second half follows (RFC 8259, section 7). */
        unit = 0x10000 + ((unit - 0xD800) << 10) + (hex_unit(at + 2) - 0xDC00);
        at += 6;
    }
    *count = encode_utf8(unit, out);
    return at;
}

struct json_characters json_characters_of(struct json_value value)
{
    struct slice raw = json_string_raw(value);
    return (struct json_characters){.at = raw.data, .end = raw.data + raw.length};
}

int json_characters_next(struct json_characters *characters)
{
    if (characters->given < characters->pending_count)
        return characters->pending[characters->given++];
    if (characters->at == characters->end)
        return -1;
    if (*characters->at != '\\')
        return (unsigned char)*characters->at++;
    characters->at = json_unescape(characters->at, characters->pending, &characters->pending_count);
    characters->given = 1;
    return characters->pending[0];
}

struct slice json_string(struct json_value value, struct buffer *scratch)
{
    if (json_type(value) != JSON_STRING)
        return slice_of(NULL, 0);
    struct slice raw = json_string_raw(value);
    if (!json_escaped(value))
        return raw;

    /* An escape is never shorter than what it stands for. */
    char *start = buffer_reserve(scratch, raw.length);
    char *out = start;
    const char *at = raw.data;
    const char *end = raw.data + raw.length;
    while (at < end) {
        const char *backslash = memchr(at, '\\', (size_t)(end - at));
        size_t run = (size_t)((backslash ? backslash : end) - at);
        memcpy(out, at, run);
        out += run;
        at += run;
        if (backslash) {
            unsigned char decoded[4];
            unsigned count;
            at = json_unescape(at, decoded, &count);
            memcpy(out, decoded, count);
            out += count;
        }
    }
    scratch->length += (size_t)(out - start);
    return slice_of(start, (size_t)(out - start));
}

bool json_string_is(struct json_value value, struct slice text)
{
    if (json_type(value) != JSON_STRING)
        return false;
    struct slice raw = json_string_raw(value);
    if (!json_escaped(value))
        return slice_equal(raw, text);
    if (raw.length < text.length)
        return false;
    struct json_characters characters = json_characters_of(value);
    for (size_t i = 0; i < text.length; i++)
        if (json_characters_next(&characters) != (unsigned char)text.data[i])
            return false;
    return json_characters_next(&characters) < 0;
}

int json_string_compare(struct json_value a, struct json_value b)
{
    if (!json_escaped(a) && !json_escaped(b))
        return slice_compare(json_string_raw(a), json_string_raw(b));
    struct json_characters left = json_characters_of(a);
    struct json_characters right = json_characters_of(b);
    for (;;) {
        int from_left = json_characters_next(&left);
        int from_right = json_characters_next(&right);
        if (from_left != from_right)
            return from_left < from_right ? -1 : 1;
        if (from_left < 0)
            return 0;
    }
}

static void append_escape(struct buffer *out, unsigned char byte)
{
    static const char short_escapes[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\'};
    char letter = byte < sizeof(short_escapes) ? short_escapes[byte] : 0;
    if (letter) {
        buffer_append(out, (char[]){'\\', letter}, 2);
    } else {
        static const char digits[] = "0123456789abcdef";
        buffer_append(out, (char[]){'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]}, 6);
    }
}

void json_append_string(struct buffer *out, struct slice text)
{
    const char *at = text.data;
    const char *end = text.data + text.length;
    buffer_append_byte(out, '"');
    while (at < end) {
        const char *run = at;
        do {
            while (at < end && (*at & 0x80))
                at++;
            at = json_plain_end(at, end);
        } while (at < end && (*at & 0x80));
        buffer_append(out, run, (size_t)(at - run));
        if (at < end)
            append_escape(out, (unsigned char)*at++);
    }
    buffer_append_byte(out, '"');
}

bool json_utf8_valid(const char *text, size_t length)
{
    struct utf8_state utf8 = {0};
    return utf8_feed(&utf8, slice_of(text, length)) && !utf8.missing;
}
