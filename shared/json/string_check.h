#ifndef SHARED_JSON_STRING_CHECK_H
#define SHARED_JSON_STRING_CHECK_H

#include <stdbool.h>

/* What is not plain ASCII in a string: escapes, and UTF-8. Only for the files of shared/json. */

struct json_string_fault {
    const char *at;
    const char *error;
    bool within; /* it leaves it clear where the string ends */
};

/** Checks one escape, or all from @at on that is not ASCII, up to @end, of the text, which is after @at. Returns
 * where that ends; *@escaped is set when it was an escape. NULL: @fault says what is wrong. */
const char *json_string_check(const char *at, const char *end, bool *escaped,
                              struct json_string_fault *fault);

#endif
