#include "daemon/master/command_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buffer.h"
#include "shared/base/memory.h"
#include "shared/config/nearest.h"
#include "shared/config/option_table.h"
#include "shared/config/option_value.h"

/* Beside the rows of the option table. */
static const char *const own_options[] = {"config", "limits", "new-epoch", "check-config", "help", "version"};
static const char limits_prefix[] = "limits.";

/* One argument (or two) of the command line, taken apart. */
struct argument {
    const char *name; /* after the dashes */
    size_t length;
    const char *value; /* after "="; NULL: none */
};

/* argv while it is read. */
struct command_line {
    int argc;
    char **argv;
    int at;
    char *message; /* CONFIG_MESSAGE bytes */
    bool *seen;    /* by row of the table: named on the command line before */
};

static bool wrong_option(struct command_line *line, const struct argument *argument, const char *text)
{
    snprintf(line->message, CONFIG_MESSAGE, "--%.*s: %.380s", (int)argument->length, argument->name, text);
    return false;
}

/* Takes the next argument apart. False: it is no option, which is wrong: dispatchd takes nothing else. */
static bool next_argument(struct command_line *line, struct argument *out)
{
    const char *text = line->argv[line->at++];
    if (strncmp(text, "--", 2) != 0 || text[2] == '\0') {
        snprintf(line->message, CONFIG_MESSAGE, "expected an option such as --config, found \"%.100s\"",
                 text);
        return false;
    }
    out->name = text + 2;
    out->length = strcspn(out->name, "=");
    out->value = out->name[out->length] == '=' ? out->name + out->length + 1 : NULL;
    if (out->length > 100) {
        snprintf(line->message, CONFIG_MESSAGE, "unknown option --%.100s...", out->name);
        return false;
    }
    return true;
}

/* The value after "=", or the next argument. */
static bool take_value(struct command_line *line, struct argument *argument, const char *what)
{
    if (argument->value)
        return true;
    if (line->at < line->argc) {
        argument->value = line->argv[line->at++];
        return true;
    }
    char text[100];
    snprintf(text, sizeof text, "expected a value (%s), found nothing", what);
    return wrong_option(line, argument, text);
}

static bool is_option(const struct argument *argument, const char *name)
{
    if (strlen(name) != argument->length)
        return false;
    for (size_t i = 0; i < argument->length; i++)
        if ((argument->name[i] == '_' ? '-' : argument->name[i]) != name[i])
            return false;
    return true;
}

static bool unknown_option(struct command_line *line, const struct argument *argument)
{
    struct nearest nearest = nearest_to(slice_of(argument->name, argument->length));
    for (size_t i = 0; i < option_count; i++)
        if (!strchr(option_table[i].name, '.'))
            nearest_offer(&nearest, option_table[i].name);
    for (size_t i = 0; i < sizeof own_options / sizeof *own_options; i++)
        nearest_offer(&nearest, own_options[i]);
    int length = snprintf(line->message, CONFIG_MESSAGE, "unknown option --%.*s", (int)argument->length,
                          argument->name);
    if (!nearest.best)
        return false;
    size_t start = (size_t)length;
    snprintf(line->message + start, CONFIG_MESSAGE - start, "; did you mean --%s?", nearest.best);
    for (char *at = line->message + start; *at; at++)
        if (*at == '_')
            *at = '-';
    return false;
}

static bool set_row(struct command_line *line, struct config *config, const struct option_row *row,
                    const struct argument *argument, const char *value)
{
    char message[CONFIG_MESSAGE];
    bool *seen = &line->seen[row - option_table];
    if (!option_set(config, row, value, !*seen, message))
        return wrong_option(line, argument, message);
    *seen = true;
    return true;
}

/* --limits NAME=VALUE */
static bool set_limit(struct command_line *line, struct config *config, struct argument *argument)
{
    if (!take_value(line, argument, "NAME=VALUE"))
        return false;
    char text[CONFIG_MESSAGE];
    char name[NEAREST_BYTES + sizeof limits_prefix];
    size_t length = strcspn(argument->value, "=");
    if (argument->value[length] != '=') {
        snprintf(text, sizeof text, "expected NAME=VALUE, found \"%.100s\"", argument->value);
        return wrong_option(line, argument, text);
    }
    struct nearest nearest = nearest_to(slice_of(argument->value, length));
    snprintf(name, sizeof name, "%s%.*s", limits_prefix, (int)length, argument->value);
    const struct option_row *row = length <= NEAREST_BYTES ? option_find(name, strlen(name)) : NULL;
    if (row) {
        struct argument limit = {.name = row->name, .length = strlen(row->name)};
        return set_row(line, config, row, &limit, argument->value + length + 1);
    }
    for (size_t i = 0; i < option_count; i++)
        if (strncmp(option_table[i].name, limits_prefix, sizeof limits_prefix - 1) == 0)
            nearest_offer(&nearest, option_table[i].name + sizeof limits_prefix - 1);
    snprintf(text, sizeof text, "unknown limit \"%.*s\"%s%s%s", length > 100 ? 100 : (int)length,
             argument->value, nearest.best ? "; did you mean " : "", nearest.best ? nearest.best : "",
             nearest.best ? "?" : "");
    return wrong_option(line, argument, text);
}

/* Options that are no rows of the table. @own says whether this was one. */
static bool read_own(struct command_line *line, struct argument *argument, const char **file,
                     enum command_line_action *action, bool *own)
{
    *own = true;
    if (is_option(argument, "config")) {
        if (!take_value(line, argument, "FILE"))
            return false;
        *file = argument->value;
        return **file || wrong_option(line, argument, "expected a path, found nothing");
    }
    if (is_option(argument, "help") && argument->value && strcmp(argument->value, "table") == 0) {
        *action = COMMAND_LINE_HELP_TABLE;
        return true;
    }
    enum command_line_action asked;
    if (is_option(argument, "help"))
        asked = COMMAND_LINE_HELP;
    else if (is_option(argument, "version"))
        asked = COMMAND_LINE_VERSION;
    else if (is_option(argument, "check-config"))
        asked = COMMAND_LINE_CHECK;
    else {
        *own = false;
        return true;
    }
    if (argument->value)
        return wrong_option(line, argument, "expected no value");
    if (*action == COMMAND_LINE_RUN || *action == COMMAND_LINE_CHECK)
        *action = asked;
    return true;
}

/* Goes through the arguments. The first time, with @config NULL, for what is asked and the name of the file;
 * the second time for the options, which win over the file. */
static bool read_arguments(struct command_line *line, struct config *config, const char **file,
                           enum command_line_action *action)
{
    line->at = 1;
    while (line->at < line->argc) {
        struct argument argument;
        bool own;
        if (!next_argument(line, &argument) || !read_own(line, &argument, file, action, &own))
            return false;
        if (own)
            continue;
        if (is_option(&argument, "new-epoch")) {
            if (argument.value)
                return wrong_option(line, &argument, "expected no value");
            if (config)
                config->new_epoch = true;
            continue;
        }
        const struct option_row *row = option_find(argument.name, argument.length);
        if (is_option(&argument, "limits")) {
            if (config ? !set_limit(line, config, &argument) : !take_value(line, &argument, "NAME=VALUE"))
                return false;
            continue;
        }
        if (!row || strchr(row->name, '.'))
            return unknown_option(line, &argument);
        if (row->type != OPTION_FLAG && !take_value(line, &argument, row->value))
            return false;
        if (config && !set_row(line, config, row, &argument, argument.value))
            return false;
    }
    return true;
}

static bool read_config(struct command_line *line, struct config *config, const char *file)
{
    enum command_line_action action = COMMAND_LINE_RUN;
    return (!file || config_read_file(config, file, line->message)) &&
           read_arguments(line, config, &file, &action) && config_check(config, line->message);
}

bool command_line_read(int argc, char **argv, struct config **config, enum command_line_action *action,
                       char message[CONFIG_MESSAGE])
{
    struct command_line line = {.argc = argc, .argv = argv, .message = message};
    const char *file = NULL;
    *config = NULL;
    *action = COMMAND_LINE_RUN;
    if (!read_arguments(&line, NULL, &file, action))
        return false;
    if (*action != COMMAND_LINE_RUN && *action != COMMAND_LINE_CHECK)
        return true;
    line.seen = memory_zeroed(option_count, sizeof *line.seen);
    struct config *made = config_defaults();
    bool read = read_config(&line, made, file);
    free(line.seen);
    if (!read) {
        config_free(made);
        return false;
    }
    *config = made;
    return true;
}

static void append_help(struct buffer *out)
{
    buffer_append_text(out,
                       "usage: dispatchd [--config FILE] [OPTION]...\n"
                       "Keeps collections of JSON documents and every client's copy of them: dispatchd(8).\n"
                       "Options win over the file, whose keys have the same names: dispatchd.conf(5).\n\n"
                       "  --config FILE\n        the configuration file\n"
                       "  --new-epoch\n        begin another history: what clients hold counts for nothing\n"
                       "  --check-config\n        read the configuration, check it, and exit\n"
                       "  --help\n        show this and exit\n"
                       "  --version\n        show the version and exit\n");
    options_help(out);
}

bool command_line_answer(enum command_line_action action, const struct config *config)
{
    struct buffer out = {0};
    switch (action) {
    case COMMAND_LINE_RUN:
        return true;
    case COMMAND_LINE_CHECK:
        buffer_append_format(&out, "%s: the configuration is good: %zu collections\n",
                             config->file ? config->file : "dispatchd",
                             config->collection_count - COLLECTION_BUILTIN);
        break;
    case COMMAND_LINE_HELP:
        append_help(&out);
        break;
    case COMMAND_LINE_HELP_TABLE:
        options_table(&out);
        break;
    case COMMAND_LINE_VERSION:
        buffer_append_text(&out, "dispatchd " DISPATCHD_VERSION "\n");
        break;
    }
    bool written = fwrite(out.data, 1, out.length, stdout) == out.length && fflush(stdout) == 0;
    buffer_free(&out);
    return written;
}
