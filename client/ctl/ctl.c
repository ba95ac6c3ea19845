/*
 * dispatchctl: talks to a running dispatchd over its control socket. Read the table below, then the file of a
 * command. Over that socket one may do everything, so the permissions of the file guard it.
 */
#include "client/ctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/default_paths.h"
#include "shared/base/standard_descriptors.h"
#include "shared/config/nearest.h"

static const struct ctl_command *const commands[] = {
    &command_status,      &command_stop,
    &command_user_add,    &command_user_set,
    &command_user_passwd, &command_user_remove,
    &command_user_list,   &command_user_sessions,
    &command_group_add,   &command_group_remove,
    &command_group_set,   &command_group_list,
    &command_collections, &command_collection_remove,
    &command_import,      &command_export,
    &command_tail,        &command_call,
    &command_settings,    &command_settings_set,
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static const uint32_t general =
    WORDS_BIT(WORDS_CONTROL) | WORDS_BIT(WORDS_CONFIG) | WORDS_BIT(WORDS_HELP) | WORDS_BIT(WORDS_VERSION);

/* ---- what is said ---- */

static void say(const char *name, const char *format, va_list arguments)
{
    fprintf(stderr, "dispatchctl: %s%s", name ? name : "", name ? ": " : "");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

int ctl_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(NULL, format, arguments);
    va_end(arguments);
    return 1;
}

static void print_usage(FILE *out, const char *before, const struct ctl_command *command)
{
    struct buffer options = {0};
    words_append_usage(&options, command->options);
    fprintf(out, "%s%s%s%s%.*s\n", before, command->name, *command->operands ? " " : "", command->operands,
            (int)options.length, options.length ? options.data : "");
    buffer_free(&options);
}

int ctl_wrong(const struct ctl_command *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(command->name, format, arguments);
    va_end(arguments);
    print_usage(stderr, "usage: dispatchctl ", command);
    return 1;
}

bool ctl_seconds(const struct ctl_command *command, const char *text, long *seconds)
{
    char *end;
    *seconds = strtol(text, &end, 10);
    if (end != text && *end == '\0' && *seconds >= 1 && *seconds <= 86400)
        return true;
    ctl_wrong(command, "--timeout: expected 1 to 86400 seconds, found \"%s\"", text);
    return false;
}

static void print_help(void)
{
    printf("usage: dispatchctl [--control PATH | --config FILE] COMMAND ...\n\n"
           "Talks to a running dispatchd over its control socket.\n\n"
           "Options, before the command or after it:\n"
           "  --control PATH   the control socket\n"
           "  --config FILE    the configuration file of dispatchd, which says where the socket is\n"
           "  --help, -h       how the command is used; without a command this text\n"
           "  --version        the version\n"
           "Without the first two it is the socket that %s names, or %s.\n\n"
           "Commands:\n",
           CTL_ENVIRONMENT, DEFAULT_CONTROL);
    for (size_t i = 0; i < COMMANDS; i++) {
        print_usage(stdout, "  ", commands[i]);
        printf("        %s\n", commands[i]->help);
    }
    printf("  help [COMMAND]\n        the same as --help\n\n"
           "Exit status: 0 when it was done, 1 with a line on the standard error when it was not; of call 2\n"
           "when no answer came, so that it is not known.\n");
}

/* ---- finding the command ---- */

/* How many words of @name are the first operands; 0: it is another. */
static size_t names_command(const char *name, const struct words *words)
{
    size_t first = strcspn(name, " ");
    if (words->operand_count == 0 || strncmp(words->operands[0], name, first) != 0 ||
        words->operands[0][first] != '\0')
        return 0;
    if (name[first] == '\0')
        return 1;
    return words->operand_count > 1 && strcmp(words->operands[1], name + first + 1) == 0 ? 2 : 0;
}

static const struct ctl_command *find_command(const struct words *words, size_t *taken)
{
    const struct ctl_command *found = NULL;
    *taken = 0;
    for (size_t i = 0; i < COMMANDS; i++) {
        size_t count = names_command(commands[i]->name, words);
        if (count > *taken) {
            *taken = count;
            found = commands[i];
        }
    }
    return found;
}

/* Whether the first operand is the first word of commands of two words. */
static bool is_kind(const char *name, const char *word)
{
    size_t length = strlen(word);
    return strncmp(name, word, length) == 0 && name[length] == ' ';
}

static bool print_kind(FILE *out, const char *word)
{
    bool any = false;
    for (size_t i = 0; i < COMMANDS; i++) {
        if (!is_kind(commands[i]->name, word))
            continue;
        print_usage(out, any ? "       dispatchctl " : "usage: dispatchctl ", commands[i]);
        any = true;
    }
    return any;
}

static int no_command(const struct words *words)
{
    if (words->operand_count == 0) {
        ctl_fail("the command is missing");
        fprintf(stderr, "usage: dispatchctl [--control PATH | --config FILE] COMMAND ...\n"
                        "       dispatchctl --help\n");
        return 1;
    }
    const char *word = words->operands[0];
    struct buffer all = {0};
    bool kind = false;
    for (size_t i = 0; i < COMMANDS; i++)
        kind = kind || is_kind(commands[i]->name, word);
    if (kind && words->operand_count == 1) {
        ctl_fail("%s: what is to be done is missing", word);
    } else {
        buffer_append_format(&all, "%s%s%s", word, kind ? " " : "", kind ? words->operands[1] : "");
        struct nearest nearest = nearest_to(buffer_slice(&all));
        for (size_t i = 0; i < COMMANDS; i++)
            nearest_offer(&nearest, commands[i]->name);
        ctl_fail("%.*s: no such command%s%s%s", (int)all.length, all.data,
                 nearest.best ? "; did you mean " : "; dispatchctl --help shows all",
                 nearest.best ? nearest.best : "", nearest.best ? "?" : "");
    }
    buffer_free(&all);
    print_kind(stderr, word);
    return 1;
}

static int help(const struct words *words)
{
    size_t taken;
    const struct ctl_command *command = find_command(words, &taken);
    if (command) {
        print_usage(stdout, "usage: dispatchctl ", command);
        printf("%s\n", command->help);
        if (taken == 1) /* there may be others: settings, settings set */
            print_kind(stdout, words->operands[0]);
    } else if (words->operand_count == 0) {
        print_help();
    } else if (!print_kind(stdout, words->operands[0])) {
        return no_command(words);
    }
    ctl_flush();
    return 0;
}

/* ---- whether it is used as it is meant ---- */

/* The word that stands at @place among the operands of a usage; "" after the last. */
static const char *operand_name(const char *operands, size_t place, int *length)
{
    for (; place > 0 && *operands; place--) {
        operands += strcspn(operands, " ");
        operands += *operands == ' ';
    }
    *length = (int)strcspn(operands, " ");
    return operands;
}

static bool has_any_number(const char *operands)
{
    size_t length = strlen(operands);
    return length >= 3 && strcmp(operands + length - 3, "...") == 0;
}

static bool check_operands(const struct ctl_command *command, const struct words *words)
{
    int length;
    const char *missing = operand_name(command->operands, words->operand_count, &length);
    if (length > 0 && *missing != '[') {
        ctl_wrong(command, "%.*s is missing", length, missing);
        return false;
    }
    for (size_t i = 0; i < words->operand_count; i++) {
        const char *operand = words->operands[i];
        (void)operand_name(command->operands, i, &length);
        if (i < words->doubtful && operand[0] == '-' && operand[1] && !command->takes_dashes) {
            ctl_wrong(command, "%s: no such option", operand);
            return false;
        }
        if (length == 0 && !has_any_number(command->operands)) {
            ctl_wrong(command, "\"%s\" is one too many", operand);
            return false;
        }
    }
    return true;
}

static bool check_use(const struct ctl_command *command, const struct words *words)
{
    if (words->wrong[0]) {
        ctl_wrong(command, "%s", words->wrong);
        return false;
    }
    for (size_t i = 0; i < words->given_count; i++) {
        enum words_option option = words->given[i].option;
        if (!((command->options | general) & WORDS_BIT(option))) {
            ctl_wrong(command, "--%s: %s has no such option", words_name(option), command->name);
            return false;
        }
    }
    return check_operands(command, words);
}

/* ---- all of it ---- */

static int run(struct words *words)
{
    size_t taken;
    if (words_has(words, WORDS_VERSION)) {
        printf("dispatchctl %s\n", DISPATCHD_VERSION);
        ctl_flush();
        return 0;
    }
    bool asked = words->operand_count > 0 && strcmp(words->operands[0], "help") == 0;
    if (asked)
        words_skip(words, 1);
    if (asked || words_has(words, WORDS_HELP))
        return help(words);
    const struct ctl_command *command = find_command(words, &taken);
    if (!command)
        return words->wrong[0] ? ctl_fail("%s; see dispatchctl --help", words->wrong) : no_command(words);
    words_skip(words, taken);
    struct ctl ctl;
    char *allocated = NULL;
    int status = 1;
    if (check_use(command, words) && ctl_find_control(&ctl, words, &allocated))
        status = command->run(&ctl, words);
    ctl_flush();
    free(allocated);
    return status;
}

int main(int argc, char **argv)
{
    struct words words;
    standard_descriptors_take();
    ctl_output_start();
    words_read(&words, argc, argv);
    int status = run(&words);
    words_free(&words);
    return status;
}
