#ifndef CLIENT_CTL_CTL_H
#define CLIENT_CTL_CTL_H

#include <stdbool.h>

#include "client/c/client.h"
#include "client/ctl/words.h"

/* dispatchctl(8): a file for each command, or for those of one kind (user add, user passwd, ...); their table
 * entries stand at the foot of their file. */

/** What holds for every command. */
struct ctl {
    const char *control; /* path of the control socket */
};

struct ctl_command {
    const char *name; /* one word or two */
    const char
        *operands;    /* their names, with a space between; [NAME]: may be left out; last "...": any number */
    uint32_t options; /* WORDS_BIT of each that it takes beside those that all take */
    bool takes_dashes; /* an operand may begin with one dash: it is no option */
    const char *help;  /* one line */
    /** Returns the exit status. The operands are as many as they may be; the name is not among them. */
    int (*run)(const struct ctl *ctl, const struct words *words);
};

extern const struct ctl_command command_status, command_stop, command_user_add, command_user_set,
    command_user_passwd, command_user_remove, command_user_list, command_user_sessions, command_group_add,
    command_group_remove, command_group_set, command_group_list, command_collections,
    command_collection_remove, command_import, command_export, command_tail, command_call, command_settings,
    command_settings_set;

enum { CTL_TIMEOUT_MS = 30000 };

/** The variable of the environment that names the control socket. */
#define CTL_ENVIRONMENT "DISPATCHCTL_CONTROL"

/** Prints "dispatchctl: ..." on stderr; returns 1, the exit status. */
[[gnu::format(printf, 1, 2)]] int ctl_fail(const char *format, ...);

/** A wrong use: says what is wrong on stderr, and how the command is used; returns 1. */
[[gnu::format(printf, 2, 3)]] int ctl_wrong(const struct ctl_command *command, const char *format, ...);

/** Finds out which control socket is meant. *@allocated is the caller's. False: it was said why not. */
[[gnu::warn_unused_result]] bool ctl_find_control(struct ctl *ctl, const struct words *words,
                                                  char **allocated);

/** Connects to the control socket, or says why not and returns false. Close it either way. */
[[gnu::warn_unused_result]] bool ctl_connect(const struct ctl *ctl, struct client *client);

/** The same for commands that call but do not follow: no changes are sent to it. */
[[gnu::warn_unused_result]] bool ctl_connect_quiet(const struct ctl *ctl, struct client *client);

/** What a call that failed is reported as; returns 1. */
int ctl_call_failed(const struct ctl *ctl, const struct client *client);

/** One call on a connection of its own, of which the answer is not shown; returns the exit status. */
int ctl_call(const struct ctl *ctl, const char *collection, const char *method, struct slice data,
             int timeout_ms);

/** Says that a user or group that was added has the name of one who was removed, when the answer says so. */
void ctl_say_taken_over(struct json_value answer);

/** Reads seconds, 1 to 86400. False: it was said that they are wrong. */
[[gnu::warn_unused_result]] bool ctl_seconds(const struct ctl_command *command, const char *text,
                                             long *seconds);

/** Whether @name can stand in a call; says so if not. */
[[gnu::warn_unused_result]] bool ctl_name(const char *name);

/** Appends "KEY":"NAME". */
void ctl_append_id(struct buffer *data, const char *key, const char *name);

/** Sends a line to the control socket, as control_line_ask(); says what failed. */
[[gnu::warn_unused_result]] int ctl_ask(const struct ctl *ctl, const char *line, struct buffer *answer);

/** To be called before anything else: what becomes of output that nobody reads. */
void ctl_output_start(void);

/**
 * Writes to the standard output. Ends the program when that cannot be written: as SIGPIPE does when its
 * reader has gone, otherwise (and where SIGPIPE is ignored) with a message and status 1.
 */
void ctl_print(struct slice text);

/** The same for what is still in stdio's buffer. */
void ctl_flush(void);

/** Bytes for people: "1.5 MiB". Returns @out. */
enum { CTL_BYTES_TEXT = 32 };
const char *ctl_bytes(char out[CTL_BYTES_TEXT], uint64_t bytes);

/** Asks twice on the terminal, without echo, or reads one line of the standard input. The caller frees
 * @password. False: it was said why. */
[[gnu::warn_unused_result]] bool ctl_password(bool from_stdin, struct buffer *password);

#endif
