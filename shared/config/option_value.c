#include "shared/config/option_value.h"

#include "shared/config/option_table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"

enum { LIST_LIMIT = 256, SHOWN_BYTES = 60 };

static const char *const log_level_names[] = {"error", "warning", "notice", "info", "debug"};
static const char *const durability_names[] = {"full", "relaxed"};

static void *option_member(struct config *config, const struct option_row *row)
{
    return (char *)config + row->offset;
}

/* "expected @format..., found "@found"": control characters are shown as dots, so that it stays one line. */
[[gnu::format(printf, 3, 4)]] static bool option_value_expected(char message[CONFIG_MESSAGE],
                                                                const char *found, const char *format, ...)
{
    char what[CONFIG_MESSAGE / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    char shown[SHOWN_BYTES + 4];
    size_t length = strlen(found);
    snprintf(shown, sizeof shown, "%.*s%s", SHOWN_BYTES, found, length > SHOWN_BYTES ? "..." : "");
    for (char *at = shown; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '.';
    snprintf(message, CONFIG_MESSAGE, "expected %s, found \"%s\"", what, shown);
    return false;
}

/* Digits of @base and nothing else, without overflow; @end is where they end. */
static bool read_digits(const char *text, unsigned base, uint64_t *out, const char **end)
{
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at < (char)('0' + base); at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (value > (UINT64_MAX - digit) / base)
            return false;
        value = value * base + digit;
    }
    *out = value;
    *end = at;
    return at != text;
}

static bool read_bytes(const char *text, uint64_t *out)
{
    const char *end;
    if (!read_digits(text, 10, out, &end))
        return false;
    unsigned shift = 0;
    if (*end == 'K')
        shift = 10;
    else if (*end == 'M')
        shift = 20;
    else if (*end == 'G')
        shift = 30;
    else if (*end == 'T')
        shift = 40;
    if (shift)
        end++;
    if (*end != '\0' || *out > UINT64_MAX >> shift)
        return false;
    *out <<= shift;
    return true;
}

static void show_bytes(char *out, size_t capacity, uint64_t bytes)
{
    static const char suffixes[] = {'\0', 'K', 'M', 'G', 'T', '\0'};
    unsigned step = 0;
    while (bytes && bytes % 1024 == 0 && step < 4) {
        bytes /= 1024;
        step++;
    }
    snprintf(out, capacity, "%" PRIu64 "%.1s", bytes, &suffixes[step]);
}

static bool set_bytes(uint64_t *out, const struct option_row *row, const char *text,
                      char message[CONFIG_MESSAGE])
{
    uint64_t value;
    if (read_bytes(text, &value) && value >= row->least && value <= row->most) {
        *out = value;
        return true;
    }
    char least[24];
    char most[24];
    show_bytes(least, sizeof least, row->least);
    show_bytes(most, sizeof most, row->most);
    return option_value_expected(message, text, "a number of bytes from %s to %s", least, most);
}

static bool set_number(uint64_t *out, const struct option_row *row, const char *text,
                       char message[CONFIG_MESSAGE])
{
    uint64_t value;
    const char *end;
    if (!read_digits(text, 10, &value, &end) || *end || value < row->least || value > row->most)
        return option_value_expected(message, text, "a number from %" PRIu64 " to %" PRIu64, row->least,
                                     row->most);
    *out = value;
    return true;
}

static bool set_mode(uint64_t *out, const struct option_row *row, const char *text,
                     char message[CONFIG_MESSAGE])
{
    uint64_t value;
    const char *end;
    if (!read_digits(text, 8, &value, &end) || *end || value > row->most)
        return option_value_expected(message, text, "an octal mode such as 0660");
    *out = value;
    return true;
}

static bool set_flag(bool *out, const char *text, char message[CONFIG_MESSAGE])
{
    bool on = !text || strcmp(text, "true") == 0;
    if (!on && strcmp(text, "false") != 0)
        return option_value_expected(message, text, "true or false");
    *out = on;
    return true;
}

/* The place of @text among @names; @count when it is not among them. */
static size_t word_index(const char *const *names, size_t count, const char *text)
{
    size_t at = 0;
    while (at < count && strcmp(names[at], text) != 0)
        at++;
    return at;
}

/* ADDRESS:PORT: a name, an IPv4 address or * before the colon, or an IPv6 address in brackets. */
static bool is_listen_address(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const char *colon = strrchr(text, ':');
    if (!colon)
        return false;
    uint64_t port;
    const char *end;
    if (!read_digits(colon + 1, 10, &port, &end) || *end || port > 65535 || end - colon > 6)
        return false;
    size_t length = (size_t)(colon - text);
    if (length > 2 && text[0] == '[' && text[length - 1] == ']')
        return strspn(text + 1, "0123456789abcdefABCDEF:.") == length - 2 ||
               (strchr(text, '%') && strcspn(text, "]/") == length - 1);
    if (length == 1 && text[0] == '*')
        return true;
    for (size_t i = 0; i < length; i++)
        if (!strchr(letters, text[i]) && !strchr("0123456789.-", text[i]))
            return false;
    return length > 0;
}

/* SCHEME://HOST[:PORT], RFC 6454 section 6.2: what a browser puts into Origin. */
static bool is_origin(const char *text)
{
    const char *rest = strstr(text, "://");
    return rest && rest != text && rest[3] != '\0' && rest[3 + strcspn(rest + 3, "/?# @")] == '\0';
}

/* What every text must satisfy, and that of some options. */
static bool check_text(const struct option_row *row, const char *text, char message[CONFIG_MESSAGE])
{
    size_t length = strlen(text);
    if (length < row->least || length > row->most)
        return option_value_expected(message, text, "%" PRIu64 " to %" PRIu64 " bytes of text", row->least,
                                     row->most);
    for (const char *at = text; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return option_value_expected(message, text, "text without control characters");
    if (strcmp(row->name, "listen") == 0 && !is_listen_address(text))
        return option_value_expected(message, text,
                                     "ADDRESS:PORT, [ADDRESS]:PORT or *:PORT with a port up to 65535");
    if (strcmp(row->name, "origins") == 0 && !is_origin(text))
        return option_value_expected(message, text, "SCHEME://HOST or SCHEME://HOST:PORT");
    return true;
}

/* A list is a char ** with its size_t after it. */
struct text_list {
    char ***items;
    size_t *count;
};

static struct text_list list_of(struct config *config, const struct option_row *row)
{
    char *place = option_member(config, row);
    return (struct text_list){(char ***)(void *)place, (size_t *)(void *)(place + sizeof(char **))};
}

static void list_clear(struct text_list list)
{
    for (size_t i = 0; i < *list.count; i++)
        free((*list.items)[i]);
    free(*list.items);
    *list.items = NULL;
    *list.count = 0;
}

static bool list_add(struct text_list list, const char *text, bool first, char message[CONFIG_MESSAGE])
{
    if (first)
        list_clear(list);
    if (*list.count >= LIST_LIMIT)
        return option_value_expected(message, text, "at most %d values", LIST_LIMIT);
    *list.items = memory_resize(*list.items, *list.count + 1, sizeof **list.items);
    /* cppcheck-suppress unreadVariable ; what list.items points to outlives this function */
    (*list.items)[(*list.count)++] = memory_copy(text, strlen(text));
    return true;
}

bool option_set(struct config *config, const struct option_row *row, const char *text, bool first,
                char message[CONFIG_MESSAGE])
{
    static const size_t levels = sizeof log_level_names / sizeof *log_level_names;
    static const size_t durabilities = sizeof durability_names / sizeof *durability_names;
    void *out = option_member(config, row);
    size_t place;
    switch (row->type) {
    case OPTION_TEXT:
        if (!check_text(row, text, message))
            return false;
        free(*(char **)out);
        *(char **)out = memory_copy(text, strlen(text));
        return true;
    case OPTION_TEXT_LIST:
        return check_text(row, text, message) && list_add(list_of(config, row), text, first, message);
    case OPTION_FLAG:
        return set_flag(out, text, message);
    case OPTION_NUMBER:
        return set_number(out, row, text, message);
    case OPTION_BYTES:
        return set_bytes(out, row, text, message);
    case OPTION_MODE:
        return set_mode(out, row, text, message);
    case OPTION_LOG_LEVEL:
        place = word_index(log_level_names, levels, text);
        if (place == levels)
            return option_value_expected(message, text, "error, warning, notice, info or debug");
        *(enum log_level *)out = (enum log_level)place;
        return true;
    case OPTION_DURABILITY:
        place = word_index(durability_names, durabilities, text);
        if (place == durabilities)
            return option_value_expected(message, text, "full or relaxed");
        *(enum durability *)out = (enum durability)place;
        return true;
    }
    return option_value_expected(message, text, "another option");
}

bool option_clear(struct config *config, const struct option_row *row, char message[CONFIG_MESSAGE])
{
    if (row->type == OPTION_TEXT_LIST) {
        list_clear(list_of(config, row));
        return true;
    }
    if (row->type == OPTION_TEXT && !row->fallback) {
        char **out = option_member(config, row);
        free(*out);
        *out = NULL;
        return true;
    }
    snprintf(message, CONFIG_MESSAGE, "expected a value, found null");
    return false;
}
