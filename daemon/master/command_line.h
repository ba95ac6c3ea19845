#ifndef DAEMON_MASTER_COMMAND_LINE_H
#define DAEMON_MASTER_COMMAND_LINE_H

#include <stdbool.h>

#include "shared/config/config.h"

/* The command line of dispatchd(8). Every row of the option table is an option here, and what it says wins
 * over the file named by --config. */

enum command_line_action {
    COMMAND_LINE_RUN,
    COMMAND_LINE_CHECK,      /* --check-config: say that all is well and leave */
    COMMAND_LINE_HELP,       /* --help */
    COMMAND_LINE_HELP_TABLE, /* --help=table: the option table for programs, one row a line, tabs between the
                                cells */
    COMMAND_LINE_VERSION,    /* --version */
};

/**
 * Reads the command line and the configuration file it names, and checks them together (config_check()). On
 * success *@config is the caller's, for config_free(); it is NULL when @action is to show help or the
 * version. False: @message is one line without the program's name or a line feed, and *@config is NULL.
 */
[[gnu::warn_unused_result]] bool command_line_read(int argc, char **argv, struct config **config,
                                                   enum command_line_action *action,
                                                   char message[CONFIG_MESSAGE]);

/** Writes what @action other than RUN asks for to standard output. False: it could not be written. */
[[gnu::warn_unused_result]] bool command_line_answer(enum command_line_action action,
                                                     const struct config *config);

#endif
