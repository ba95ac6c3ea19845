#include "shared/json/salvage.h"

/* ESCAPE_BYTES: \u0074 for a t. */
enum { BYTES_OF_UNIT = 8, ESCAPE_BYTES = 6 };

void json_salvage_start(struct json_salvage *salvage, const struct json *json, const char *name)
{
    *salvage =
        (struct json_salvage){.name = name, .end = json->error_within ? json->length : json->error_offset};
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

/* The next byte that is no white space; 0, which cannot be one that is looked for, at the end. */
static char next_byte(struct json_salvage *salvage, const char *text)
{
    while (salvage->at < salvage->end && is_space(text[salvage->at]))
        salvage->at++;
    return salvage->at < salvage->end ? text[salvage->at] : 0;
}

/* From the opening quote to behind the closing one. False: there is none. */
static bool skip_string(struct json_salvage *salvage, const char *text)
{
    size_t at = salvage->at + 1;
    while (at < salvage->end && text[at] != '"')
        at += text[at] == '\\' ? 2 : 1;
    salvage->at = at + 1;
    return at < salvage->end;
}

/* Whether a key, with its quotes, is the one that is looked for. */
static bool is_name(const char *name, struct slice key)
{
    struct slice wanted = slice_text(name);
    if (slice_equal(slice_of(key.data + 1, key.length - 2), wanted))
        return true;
    if (key.length > ESCAPE_BYTES * wanted.length + 2 || !memchr(key.data, '\\', key.length))
        return false;
    struct json json = {0};
    bool same = json_parse(&json, key.data, key.length) && json_string_is(json_root(&json), wanted);
    json_free(&json);
    return same;
}

static enum json_salvage_stage read_key(struct json_salvage *salvage, const char *text)
{
    if (next_byte(salvage, text) != '"')
        return SALVAGE_OVER;
    size_t start = salvage->at;
    if (!skip_string(salvage, text))
        return SALVAGE_OVER;
    salvage->named = is_name(salvage->name, slice_of(text + start, salvage->at - start));
    if (next_byte(salvage, text) != ':')
        return SALVAGE_OVER;
    salvage->at++;
    return SALVAGE_VALUE;
}

static enum json_salvage_stage read_value(struct json_salvage *salvage, const char *text)
{
    char byte = next_byte(salvage, text);
    salvage->from = salvage->at;
    if (byte == '"')
        return skip_string(salvage, text) ? SALVAGE_BEHIND : SALVAGE_OVER;
    if (byte == '{' || byte == '[') {
        salvage->depth = 0;
        return SALVAGE_NESTED;
    }
    while (salvage->at < salvage->end && text[salvage->at] != ',' && text[salvage->at] != '}' &&
           !is_space(text[salvage->at]))
        salvage->at++;
    return SALVAGE_BEHIND;
}

/* Goes on within a value until it ends, or @until is passed. */
static enum json_salvage_stage skip_nested(struct json_salvage *salvage, const char *text, size_t until)
{
    while (salvage->at < salvage->end && salvage->at < until) {
        char byte = text[salvage->at];
        if (byte == '"') {
            if (!skip_string(salvage, text))
                return SALVAGE_OVER;
            continue;
        }
        salvage->at++;
        if (byte == '{' || byte == '[')
            salvage->depth++;
        else if ((byte == '}' || byte == ']') && --salvage->depth == 0)
            return SALVAGE_BEHIND;
    }
    return salvage->at < salvage->end ? SALVAGE_NESTED : SALVAGE_OVER;
}

/* A value that nothing follows may go on where the text was cut. */
static enum json_salvage_stage end_member(struct json_salvage *salvage, const char *text)
{
    size_t behind = salvage->at;
    char byte = next_byte(salvage, text);
    if (byte != ',' && byte != '}')
        return SALVAGE_OVER;
    if (salvage->named) {
        salvage->count++;
        salvage->value = salvage->from;
        salvage->length = behind - salvage->from;
    }
    salvage->at++;
    return byte == ',' ? SALVAGE_KEY : SALVAGE_OVER;
}

static enum json_salvage_stage take_step(struct json_salvage *salvage, const char *text, size_t until)
{
    switch (salvage->stage) {
    case SALVAGE_START:
        if (next_byte(salvage, text) != '{')
            return SALVAGE_OVER;
        salvage->at++;
        return SALVAGE_KEY;
    case SALVAGE_KEY:
        return read_key(salvage, text);
    case SALVAGE_VALUE:
        return read_value(salvage, text);
    case SALVAGE_NESTED:
        return skip_nested(salvage, text, until);
    case SALVAGE_BEHIND:
        return end_member(salvage, text);
    case SALVAGE_OVER:
        break;
    }
    return SALVAGE_OVER;
}

bool json_salvage_go_on(struct json_salvage *salvage, const struct json *json, uint64_t *units)
{
    const size_t start = salvage->at;
    const uint64_t bytes =
        *units < (json->length - start) / BYTES_OF_UNIT ? *units * BYTES_OF_UNIT : json->length - start;
    const size_t until = start + bytes;
    do
        salvage->stage = take_step(salvage, json->text, until);
    while (salvage->stage != SALVAGE_OVER && salvage->at < until);
    *units = (salvage->at - start) / BYTES_OF_UNIT + 1;
    return salvage->stage == SALVAGE_OVER;
}

struct slice json_salvage_value(const struct json_salvage *salvage, const struct json *json)
{
    if (salvage->count != 1)
        return (struct slice){0};
    return slice_of(json->text + salvage->value, salvage->length);
}
