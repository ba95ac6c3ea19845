#ifndef SHARED_CONFIG_OPTION_TABLE_H
#define SHARED_CONFIG_OPTION_TABLE_H

#include <stddef.h>

#include "shared/base/buffer.h"
#include "shared/config/config.h"

/*
 * The table of options: name, type, default, range, help. The configuration file's top-level keys, the
 * command line,
 * --help and the check of the man pages all come from it. Members of "limits" stand in it as "limits.NAME";
 * on the command line they are given as --limits NAME=VALUE, as often as needed.
 */

enum option_type {
    OPTION_TEXT,       /* char * */
    OPTION_TEXT_LIST,  /* char ** and a size_t after it; the option may be repeated */
    OPTION_FLAG,       /* bool; true/false in the file, no value on the command line */
    OPTION_NUMBER,     /* uint64_t */
    OPTION_BYTES,      /* uint64_t; K, M, G suffixes (powers of 1024) as text, or a plain number */
    OPTION_MODE,       /* uint64_t; octal, as text */
    OPTION_LOG_LEVEL,  /* enum log_level */
    OPTION_DURABILITY, /* enum durability */
};

struct option_row {
    const char *name; /* as in the file: "pid_file"; on the command line with dashes: --pid-file (both are
                         understood) */
    enum option_type type;
    size_t offset;        /* of the member in struct config */
    const char *fallback; /* default, as on the command line; NULL: none */
    uint64_t least,
        most;          /* range of numbers; of text, of its length in bytes; of a list, of each element's */
    const char *value; /* what --help calls the value: "ADDRESS:PORT" */
    const char *help;  /* one line */
};

extern const struct option_row option_table[];
extern const size_t option_count;

/** The row of that name; dashes and underscores are the same. NULL: none. */
const struct option_row *option_find(const char *name, size_t length);

/** The known option that @name was probably meant to be; NULL: none is close. */
const struct option_row *option_nearest(const char *name, size_t length);

/** The --help text of all rows. */
void options_help(struct buffer *out);

/** The rows for programs: name, type, default, least, most, value, help, with tabs between and a line for
 * each. */
void options_table(struct buffer *out);

#endif
