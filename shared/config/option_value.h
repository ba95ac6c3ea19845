#ifndef SHARED_CONFIG_OPTION_VALUE_H
#define SHARED_CONFIG_OPTION_VALUE_H

#include "shared/config/option_table.h"

/**
 * Sets one option from text; NULL as text of a flag means true. @first: forget earlier values of a list.
 * False: nothing is changed and @message says "expected WHAT, found WHAT".
 */
[[gnu::warn_unused_result]] bool option_set(struct config *config, const struct option_row *row,
                                            const char *text, bool first, char message[CONFIG_MESSAGE]);

/** Back to no value: an absent text, an empty list. False: the option must have one; @message as
 * option_set(). */
[[gnu::warn_unused_result]] bool option_clear(struct config *config, const struct option_row *row,
                                              char message[CONFIG_MESSAGE]);

#endif
