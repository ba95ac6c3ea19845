#include "client/ctl/words.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/memory.h"
#include "shared/config/nearest.h"

struct known {
    const char *name, *value; /* NULL: it takes none */
    bool repeated;
};

static const struct known known[WORDS_OPTIONS] = {
    [WORDS_CONTROL] = {"control", "PATH", false},
    [WORDS_CONFIG] = {"config", "FILE", false},
    [WORDS_HELP] = {"help", NULL, false},
    [WORDS_VERSION] = {"version", NULL, false},
    [WORDS_JSON] = {"json", NULL, false},
    [WORDS_TIMEOUT] = {"timeout", "SECONDS", false},
    [WORDS_GROUP] = {"group", "GROUP", true},
    [WORDS_NO_GROUP] = {"no-group", "GROUP", true},
    [WORDS_PERMISSION] = {"permission", "PERMISSION", true},
    [WORDS_NO_PERMISSION] = {"no-permission", "PERMISSION", true},
    [WORDS_PASSWORD_STDIN] = {"password-stdin", NULL, false},
    [WORDS_TAKE_OVER] = {"take-over", NULL, false},
    [WORDS_FORCE_RESET] = {"force-reset", NULL, false},
    [WORDS_NO_FORCE_RESET] = {"no-force-reset", NULL, false},
    [WORDS_END] = {"end", "ID", false},
    [WORDS_END_ALL] = {"end-all", NULL, false},
    [WORDS_REPLACE] = {"replace", NULL, false},
    [WORDS_QUERY] = {"query", "JSON", false},
    [WORDS_YES] = {"yes", NULL, false},
};

enum { FIRST_VALUE = 256 }; /* what getopt_long(3) gives for the first option: above all characters */

static void say_unknown(struct words *words, const char *argument)
{
    const char *name = argument[0] == '-' && argument[1] == '-' ? argument + 2 : argument;
    size_t length = strcspn(name, "=");
    struct nearest nearest = nearest_to(slice_of(name, length));
    for (size_t i = 0; i < WORDS_OPTIONS; i++)
        nearest_offer(&nearest, known[i].name);
    snprintf(words->wrong, WORDS_MESSAGE, "%.80s: no such option%s%s%s", argument,
             nearest.best ? "; did you mean --" : "", nearest.best ? nearest.best : "",
             nearest.best ? "?" : "");
}

/* What getopt_long(3) calls wrong: @found is '?' or ':', @argument what it was at. */
static void say_wrong(struct words *words, int found, const char *argument)
{
    if (words->wrong[0])
        return;
    if (found == ':' && optopt >= FIRST_VALUE)
        snprintf(words->wrong, WORDS_MESSAGE, "--%s: its value (%s) is missing",
                 known[optopt - FIRST_VALUE].name, known[optopt - FIRST_VALUE].value);
    else if (optopt >= FIRST_VALUE)
        snprintf(words->wrong, WORDS_MESSAGE, "--%s takes no value", known[optopt - FIRST_VALUE].name);
    else
        say_unknown(words, argument);
}

static void add_operand(struct words *words, char *operand)
{
    words->operands[words->operand_count++] = operand;
}

/* "-5" or "-x" is an operand for now: a command that takes such ones is not known yet. */
static bool is_short(const char *argument)
{
    return argument[0] == '-' && argument[1] != '\0' && argument[1] != '-' && strcmp(argument, "-h") != 0;
}

void words_read(struct words *words, int argc, char **argv)
{
    struct option options[WORDS_OPTIONS + 1] = {0};
    *words = (struct words){0};
    for (int i = 0; i < WORDS_OPTIONS; i++)
        options[i] = (struct option){known[i].name, known[i].value ? required_argument : no_argument, NULL,
                                     FIRST_VALUE + i};
    words->given = memory_zeroed((size_t)argc, sizeof *words->given);
    words->all = words->operands = memory_zeroed((size_t)argc, sizeof *words->operands);
    opterr = 0;
    optind = 1;
    for (;;) {
        while (optind < argc && is_short(argv[optind]))
            add_operand(words, argv[optind++]);
        const char *argument = optind < argc ? argv[optind] : "";
        int found = getopt_long(argc, argv, "-:h", options, NULL);
        if (found == -1)
            break;
        if (found == 1)
            add_operand(words, optarg);
        else if (found == 'h')
            words->given[words->given_count++] = (struct words_given){WORDS_HELP, NULL};
        else if (found >= FIRST_VALUE)
            words->given[words->given_count++] =
                (struct words_given){(enum words_option)(found - FIRST_VALUE), optarg};
        else
            say_wrong(words, found, argument);
    }
    words->doubtful = words->operand_count;
    while (optind < argc)
        add_operand(words, argv[optind++]);
}

void words_free(struct words *words)
{
    free(words->given);
    free(words->all);
    *words = (struct words){0};
}

void words_skip(struct words *words, size_t count)
{
    words->operands += count;
    words->operand_count -= count;
    words->doubtful -= count < words->doubtful ? count : words->doubtful;
}

bool words_has(const struct words *words, enum words_option option)
{
    for (size_t i = 0; i < words->given_count; i++)
        if (words->given[i].option == option)
            return true;
    return false;
}

const char *words_value(const struct words *words, enum words_option option)
{
    for (size_t i = words->given_count; i > 0; i--)
        if (words->given[i - 1].option == option)
            return words->given[i - 1].value;
    return NULL;
}

const char *words_name(enum words_option option)
{
    return known[option].name;
}

void words_append_usage(struct buffer *out, uint32_t options)
{
    for (unsigned i = 0; i < WORDS_OPTIONS; i++)
        if (options & WORDS_BIT(i))
            buffer_append_format(out, " [--%s%s%s]%s", known[i].name, known[i].value ? " " : "",
                                 known[i].value ? known[i].value : "", known[i].repeated ? "..." : "");
}
