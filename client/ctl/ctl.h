#ifndef CLIENT_CTL_CTL_H
#define CLIENT_CTL_CTL_H

#include <stdbool.h>

#include "client/c/client.h"

/* dispatchctl(8): one file for each command; a command's table entry stands at the foot of its file. */

/** What stands before the command. */
struct ctl {
    const char *control; /* path of the control socket */
};

struct ctl_command {
    const char *name;
    const char *usage;                                        /* what follows the name */
    const char *help;                                         /* one line */
    int (*run)(const struct ctl *ctl, int argc, char **argv); /* argv[0]: the name; returns the exit status */
};

extern const struct ctl_command command_status, command_stop, command_user, command_group, command_import,
    command_export, command_tail, command_settings;

enum { CTL_TIMEOUT_MS = 30000 };

/** Prints "dispatchctl: ..." on stderr; returns 1, the exit status. */
[[gnu::format(printf, 1, 2)]] int ctl_fail(const char *format, ...);

/** Prints how the command is used on stderr; returns 1. */
int ctl_usage(const struct ctl_command *command);

/** Connects to the control socket, or says why not and returns false. Close it either way. */
[[gnu::warn_unused_result]] bool ctl_connect(const struct ctl *ctl, struct client *client);

/** The same for commands that call but do not follow: no changes are sent to it. */
[[gnu::warn_unused_result]] bool ctl_connect_quiet(const struct ctl *ctl, struct client *client);

/** What a call that failed is reported as; returns 1. */
int ctl_call_failed(const struct ctl *ctl, const struct client *client);

/**
 * Writes to the standard output. Ends the program with status 1 when that cannot be written: silently when
 * its reader has gone (EPIPE), otherwise with a message.
 */
void ctl_print(struct slice text);

/** The same for what is still in stdio's buffer. */
void ctl_flush(void);

/** Asks twice on the terminal, without echo, or reads one line of the standard input. The caller frees
 * @password. False: it was said why. */
[[gnu::warn_unused_result]] bool ctl_password(bool from_stdin, struct buffer *password);

#endif
