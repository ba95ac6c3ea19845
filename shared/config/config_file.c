#include "shared/config/config.h"
#include "shared/config/option_value.h"
#include "shared/config/read_application_settings.h"
#include "shared/config/read_collections.h"
#include "shared/config/read_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/memory.h"
#include "shared/config/option_table.h"
#include "shared/config/reader.h"

enum { FILE_BYTES = 16 << 20, READ_BYTES = 65536 };

/* Blanks // comments, so that every offset stays. A string ends with its line at the latest: an unclosed
 * quote (an error anyway) does not turn the rest of the file inside out. */
static void blank_comments(char *text, size_t length)
{
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n') {
            in_string = false;
        } else if (in_string) {
            if (text[i] == '\\' && i + 1 < length && text[i + 1] != '\n')
                i++;
            else if (text[i] == '"')
                in_string = false;
        } else if (text[i] == '"') {
            in_string = true;
        } else if (text[i] == '/' && i + 1 < length && text[i + 1] == '/') {
            while (i < length && text[i] != '\n')
                text[i++] = ' ';
        }
    }
}

static bool set_from_text(struct config_reader *reader, const struct option_row *row, struct json_value value,
                          struct slice text, bool first)
{
    char message[CONFIG_MESSAGE];
    char *copy = memory_copy(text.data, text.length);
    bool set = option_set(reader->config, row, copy, first, message);
    free(copy);
    return set || config_wrong(reader, value, "%s", message);
}

static bool set_list(struct config_reader *reader, const struct option_row *row, struct json_value value)
{
    char message[CONFIG_MESSAGE];
    if (json_type(value) != JSON_ARRAY)
        return config_expected(reader, value, "a list of strings");
    if (!option_clear(reader->config, row, message))
        return config_wrong(reader, value, "%s", message);
    struct json_iterator i = json_begin(value);
    for (uint32_t number = 0; json_step(&i); number++) {
        size_t before = config_enter_element(reader, number);
        struct slice text = config_string(reader, i.value);
        if (!text.data)
            return config_expected(reader, i.value, "a string");
        if (!set_from_text(reader, row, i.value, text, false))
            return false;
        config_leave(reader, before);
    }
    return true;
}

/* A flag is true or false, a number a number, bytes either ("8M" or 8388608), all else a string. */
static bool set_option(struct config_reader *reader, const struct option_row *row, struct json_value value)
{
    enum json_type type = json_type(value);
    char message[CONFIG_MESSAGE];
    if (row->type == OPTION_TEXT_LIST)
        return set_list(reader, row, value);
    if (type == JSON_NULL)
        return option_clear(reader->config, row, message) || config_wrong(reader, value, "%s", message);
    if (row->type == OPTION_FLAG) {
        if (type != JSON_TRUE && type != JSON_FALSE)
            return config_expected(reader, value, "true or false");
        return set_from_text(reader, row, value, json_text(value), true);
    }
    bool number = row->type == OPTION_NUMBER || row->type == OPTION_BYTES;
    if (number && type == JSON_NUMBER)
        return set_from_text(reader, row, value, json_text(value), true);
    if (row->type == OPTION_NUMBER)
        return config_expected(reader, value, "a number");
    struct slice text = config_string(reader, value);
    if (!text.data)
        return config_expected(reader, value, number ? "a number or a text such as \"8M\"" : "a string");
    return set_from_text(reader, row, value, text, true);
}

/* The row of a key below @prefix ("" or "limits."); the members of limits are not found without it. */
static const struct option_row *find_row(const char *prefix, struct slice key)
{
    char name[NEAREST_BYTES + 16];
    int length = snprintf(name, sizeof name, "%s%.*s", prefix, (int)key.length, key.data);
    if (key.length > NEAREST_BYTES || memchr(key.data, '-', key.length) || memchr(key.data, '.', key.length))
        return NULL;
    return option_find(name, (size_t)length);
}

static bool read_limits(struct config_reader *reader, struct json_value limits)
{
    static const char prefix[] = "limits.";
    if (json_type(limits) != JSON_OBJECT)
        return config_expected(reader, limits, "an object");
    struct json_iterator i = json_begin(limits);
    while (json_step(&i)) {
        size_t before = config_enter_key(reader, i.key);
        struct slice key = config_string(reader, i.key);
        const struct option_row *row = find_row(prefix, key);
        if (!row) {
            struct nearest nearest = nearest_to(key);
            for (size_t n = 0; n < option_count; n++)
                if (strncmp(option_table[n].name, prefix, sizeof prefix - 1) == 0)
                    nearest_offer(&nearest, option_table[n].name + sizeof prefix - 1);
            return config_unknown(reader, i.key, &nearest);
        }
        if (!set_option(reader, row, i.value))
            return false;
        config_leave(reader, before);
    }
    return true;
}

/* What is read when everything else is. */
static const char *const parts[] = {"permissions", "collections", "watch", "settings", "user_settings"};
enum { PARTS = sizeof parts / sizeof *parts };

static bool is_part(struct slice key)
{
    for (size_t n = 0; n < PARTS; n++)
        if (slice_equal(key, slice_text(parts[n])))
            return true;
    return false;
}

static bool unknown_key(struct config_reader *reader, struct json_value key, struct slice name)
{
    struct nearest nearest = nearest_to(name);
    for (size_t n = 0; n < option_count; n++)
        if (!strchr(option_table[n].name, '.'))
            nearest_offer(&nearest, option_table[n].name);
    for (size_t n = 0; n < PARTS; n++)
        nearest_offer(&nearest, parts[n]);
    nearest_offer(&nearest, "limits");
    return config_unknown(reader, key, &nearest);
}

static bool read_top(struct config_reader *reader, struct json_value root)
{
    if (json_type(root) != JSON_OBJECT)
        return config_expected(reader, root, "an object");
    struct json_iterator i = json_begin(root);
    while (json_step(&i)) {
        size_t before = config_enter_key(reader, i.key);
        struct slice key = config_string(reader, i.key);
        if (is_part(key)) {
            config_leave(reader, before);
            continue;
        }
        if (slice_equal(key, SLICE("limits"))) {
            if (!read_limits(reader, i.value))
                return false;
        } else {
            const struct option_row *row = find_row("", key);
            if (!row)
                return unknown_key(reader, i.key, key);
            if (!set_option(reader, row, i.value))
                return false;
        }
        config_leave(reader, before);
    }
    /* Collections and directories name permissions, wherever in the file these stand. */
    return config_read_permissions(reader, json_member(root, SLICE("permissions"))) &&
           config_read_collections(reader, json_member(root, SLICE("collections"))) &&
           config_read_watch(reader, json_member(root, SLICE("watch"))) &&
           config_read_application_settings(reader, json_member(root, SLICE("settings")), "settings",
                                            &reader->config->settings) &&
           config_read_application_settings(reader, json_member(root, SLICE("user_settings")),
                                            "user_settings", &reader->config->user_settings);
}

/* The name of a key given twice, from its opening quote; everything else that is not JSON has a place but no
 * name. */
static bool syntax_error(struct config_reader *reader, const struct json *json)
{
    size_t line;
    size_t column;
    config_place(reader, json->error_offset, &line, &column);
    const char *at = json->text + json->error_offset;
    const char *quote = strcmp(json->error, "duplicate key") == 0
                            ? memchr(at + 1, '"', json->length - json->error_offset - 1)
                            : NULL;
    if (quote && quote - at <= NEAREST_BYTES)
        snprintf(reader->message, CONFIG_MESSAGE, "%s:%zu:%zu: %.*s: expected each key once, found it again",
                 reader->name, line, column, (int)(quote - at - 1), at + 1);
    else
        snprintf(reader->message, CONFIG_MESSAGE, "%s:%zu:%zu: not JSON: %s", reader->name, line, column,
                 json->error);
    return false;
}

/* Where a server with this file has its control socket: all else is left to the server. */
static bool read_control(struct config_reader *reader, struct json_value root)
{
    if (json_type(root) != JSON_OBJECT)
        return config_expected(reader, root, "an object");
    struct json_iterator i = json_begin(root);
    while (json_step(&i)) {
        bool wanted = json_string_is(i.key, SLICE("control")) || json_string_is(i.key, SLICE("data"));
        if (!wanted)
            continue;
        size_t before = config_enter_key(reader, i.key);
        const struct option_row *row = find_row("", config_string(reader, i.key));
        if (!row || !set_option(reader, row, i.value))
            return false;
        config_leave(reader, before);
    }
    return true;
}

static bool read_text(struct config *config, const char *name, struct slice text,
                      bool (*read_root)(struct config_reader *reader, struct json_value root),
                      char message[CONFIG_MESSAGE])
{
    struct config_reader reader = {
        .config = config, .name = name, .text = text.data, .length = text.length, .message = message};
    char *plain = memory_copy(text.data, text.length);
    blank_comments(plain, text.length);
    struct json json = {0};
    bool read = json_parse(&json, plain, text.length) ? read_root(&reader, json_root(&json))
                                                      : syntax_error(&reader, &json);
    json_free(&json);
    free(plain);
    buffer_free(&reader.path);
    buffer_free(&reader.characters);
    return read;
}

bool config_read_text(struct config *config, const char *name, const char *text, size_t length,
                      char message[CONFIG_MESSAGE])
{
    return read_text(config, name, slice_of(text, length), read_top, message);
}

static bool read_all(int fd, struct buffer *out)
{
    while (out->length <= FILE_BYTES) {
        ssize_t got = read(fd, buffer_reserve(out, READ_BYTES), READ_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0;
        out->length += (size_t)got;
    }
    errno = EFBIG;
    return false;
}

static bool read_file(struct config *config, const char *path,
                      bool (*read_root)(struct config_reader *reader, struct json_value root),
                      char message[CONFIG_MESSAGE])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        snprintf(message, CONFIG_MESSAGE, "%s: cannot open the configuration file: %s", path,
                 strerror(errno));
        return false;
    }
    struct buffer text = {0};
    bool read = read_all(fd, &text);
    if (!read)
        snprintf(message, CONFIG_MESSAGE, "%s: cannot read the configuration file: %s", path,
                 strerror(errno));
    close(fd);
    if (read)
        read = read_text(config, path, buffer_slice(&text), read_root, message);
    if (read) {
        free(config->file);
        config->file = memory_copy(path, strlen(path));
    }
    buffer_free(&text);
    return read;
}

bool config_read_file(struct config *config, const char *path, char message[CONFIG_MESSAGE])
{
    return read_file(config, path, read_top, message);
}

char *config_read_control(const char *path, char message[CONFIG_MESSAGE])
{
    struct config *config = config_defaults();
    char *control = NULL;
    if (read_file(config, path, read_control, message) && config_check_control(config, message)) {
        control = config->control;
        config->control = NULL;
    }
    config_free(config);
    return control;
}
