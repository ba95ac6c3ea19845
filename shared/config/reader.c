#include "shared/config/reader.h"

#include <stdarg.h>
#include <stdio.h>

/* What of a file's text is repeated in a message. */
enum { SHOWN_KEY_BYTES = 64, SHOWN_VALUE_BYTES = 40 };

/* A key as it was written, without quotes: escapes stay, so it is one line. */
static struct slice written_key(struct json_value key, size_t most)
{
    struct slice text = json_text(key);
    if (text.length >= 2 && text.data[0] == '"')
        text = slice_of(text.data + 1, text.length - 2);
    if (text.length > most) {
        while (most && ((unsigned char)text.data[most] & 0xc0) == 0x80) /* whole characters */
            most--;
        text.length = most;
    }
    return text;
}

size_t config_enter_key(struct config_reader *reader, struct json_value key)
{
    size_t before = reader->path.length;
    if (before)
        buffer_append_byte(&reader->path, '.');
    buffer_append_slice(&reader->path, written_key(key, SHOWN_KEY_BYTES));
    return before;
}

size_t config_enter_name(struct config_reader *reader, const char *key)
{
    size_t before = reader->path.length;
    if (before)
        buffer_append_byte(&reader->path, '.');
    buffer_append_text(&reader->path, key);
    return before;
}

size_t config_enter_element(struct config_reader *reader, uint32_t number)
{
    size_t before = reader->path.length;
    buffer_append_format(&reader->path, "[%u]", number);
    return before;
}

void config_leave(struct config_reader *reader, size_t before)
{
    buffer_shorten(&reader->path, before);
}

void config_place(const struct config_reader *reader, size_t offset, size_t *line, size_t *column)
{
    *line = 1;
    *column = 1;
    for (size_t i = 0; i < offset && i < reader->length; i++) {
        if (reader->text[i] == '\n') {
            ++*line;
            *column = 1;
        } else if (((unsigned char)reader->text[i] & 0xc0) != 0x80) {
            ++*column;
        }
    }
}

static bool report_fault(struct config_reader *reader, struct json_value at, const char *text)
{
    size_t line;
    size_t column;
    struct slice value = json_text(at);
    config_place(reader, value.data ? (size_t)(value.data - at.json->text) : 0, &line, &column);
    struct buffer line_text = {0};
    buffer_append_format(&line_text, "%s:%zu:%zu: ", reader->name, line, column);
    buffer_append_slice(&line_text, buffer_slice(&reader->path));
    buffer_append_text(&line_text, reader->path.length ? ": " : "");
    buffer_append_text(&line_text, text);
    snprintf(reader->message, CONFIG_MESSAGE, "%.*s", (int)line_text.length, line_text.data);
    buffer_free(&line_text);
    return false;
}

bool config_wrong(struct config_reader *reader, struct json_value at, const char *format, ...)
{
    char text[CONFIG_MESSAGE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return report_fault(reader, at, text);
}

bool config_expected(struct config_reader *reader, struct json_value at, const char *format, ...)
{
    char what[CONFIG_MESSAGE / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    enum json_type type = json_type(at);
    struct slice shown = written_key(at, SHOWN_VALUE_BYTES);
    const char *more = shown.length + (type == JSON_STRING ? 2 : 0) < json_text(at).length ? "..." : "";
    if (type == JSON_STRING)
        return config_wrong(reader, at, "expected %s, found \"%.*s%s\"", what, (int)shown.length, shown.data,
                            more);
    if (type == JSON_NUMBER)
        return config_wrong(reader, at, "expected %s, found %.*s%s", what, (int)shown.length, shown.data,
                            more);
    return config_wrong(reader, at, "expected %s, found %s", what, json_type_name(type));
}

bool config_unknown(struct config_reader *reader, struct json_value key, const struct nearest *nearest)
{
    if (nearest->best)
        return config_expected(reader, key, "a known key, perhaps \"%s\"", nearest->best);
    return config_expected(reader, key, "a known key");
}

struct slice config_string(struct config_reader *reader, struct json_value value)
{
    buffer_clear(&reader->characters);
    return json_string(value, &reader->characters);
}

bool config_is_name(struct slice name)
{
    for (size_t i = 0; i < name.length; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    return name.length >= 1 && name.length <= COLLECTION_NAME_BYTES;
}
