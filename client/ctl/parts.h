#ifndef CLIENT_CTL_PARTS_H
#define CLIENT_CTL_PARTS_H

#include "client/ctl/ctl.h"

/* Commands of several words (user add, group list), and what they share. */

struct ctl_part {
    const char *name;
    int (*run)(const struct ctl *ctl, int argc, char **argv); /* argv[0]: the name; as of a command */
};

extern const struct ctl_part part_user_list, part_user_sessions, part_group_list;

/** Runs the part that argv[1] names, or says how @command is used. */
int ctl_run_part(const struct ctl *ctl, const struct ctl_command *command,
                 const struct ctl_part *const *parts, size_t count, int argc, char **argv);

/** For a part that has no options and one operand: that operand. NULL: it was said what is wrong. */
const char *ctl_only_name(const struct ctl_command *command, int argc, char **argv);

/** Whether @name can stand in a call; says so if not. */
[[gnu::warn_unused_result]] bool ctl_name(const char *name);

/** For a part that lists: whether the one option it knows, --json, is there. False: it was said what is
 * wrong. */
[[gnu::warn_unused_result]] bool ctl_json_option(const struct ctl_command *command, int argc, char **argv,
                                                 bool *as_json);

/** One call on a connection of its own, of which the answer is not shown; returns the exit status. */
int ctl_call(const struct ctl *ctl, const char *collection, const char *method, struct slice data,
             int timeout_ms);

/** Says that a user or group that was added has the name of one who was removed, when the answer says so. */
void ctl_say_taken_over(struct json_value answer);

/** How a collection is shown as a table. */
struct ctl_listing {
    const char *collection;
    const char *const *heads; /* of the columns */
    size_t columns;
    void (*add_row)(void *table, struct json_value document);
};

/** The part that lists a collection, in the order of ids: as a table, or with --json a document in each
 * line. */
int ctl_list(const struct ctl *ctl, const struct ctl_command *command, const struct ctl_listing *listing,
             int argc, char **argv);

/** Prints a document as a line of JSON. */
void ctl_print_line(void *argument, struct json_value document);

#endif
