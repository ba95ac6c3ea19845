#ifndef CLIENT_CTL_WORDS_H
#define CLIENT_CTL_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buffer.h"

/*
 * The command line taken apart: options, which may stand before the command, between its words and after
 * them, and operands. One table knows every option of every command, so that what takes a value is known
 * before the command is.
 */

enum words_option {
    WORDS_CONTROL,
    WORDS_CONFIG,
    WORDS_HELP,
    WORDS_VERSION,
    WORDS_JSON,
    WORDS_TIMEOUT,
    WORDS_GROUP,
    WORDS_NO_GROUP,
    WORDS_PERMISSION,
    WORDS_NO_PERMISSION,
    WORDS_PASSWORD_STDIN,
    WORDS_TAKE_OVER,
    WORDS_FORCE_RESET,
    WORDS_NO_FORCE_RESET,
    WORDS_END,
    WORDS_END_ALL,
    WORDS_REPLACE,
    WORDS_QUERY,
    WORDS_YES,
    WORDS_OPTIONS /* how many */
};

/** A set of options. */
#define WORDS_BIT(option) (UINT32_C(1) << (option))

struct words_given {
    enum words_option option;
    const char *value; /* NULL: it takes none */
};

enum { WORDS_MESSAGE = 200 };

struct words {
    struct words_given *given; /* in their order */
    size_t given_count;
    char **operands; /* points into argv's copy ->all */
    size_t operand_count;
    size_t doubtful; /* the first operands, before a "--": one with a dash may be meant as an option */
    char wrong[WORDS_MESSAGE]; /* the first thing that no command understands; empty: nothing */
    char **all;
};

/** Takes argv apart from argv[1] on. words_free() at the end. */
void words_read(struct words *words, int argc, char **argv);
void words_free(struct words *words);

/** Takes the first operands off: the command's name. */
void words_skip(struct words *words, size_t count);

bool words_has(const struct words *words, enum words_option option);

/** The value that was given last; NULL: none. */
const char *words_value(const struct words *words, enum words_option option);

/** "--name" of an option, without the dashes. */
const char *words_name(enum words_option option);

/** Appends " [--group GROUP]..." for each option of the set. */
void words_append_usage(struct buffer *out, uint32_t options);

#endif
