#include "shared/base/first_user.h"
#include "shared/base/default_paths.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Where dispatchctl looks when it is not told. */

void first_user_hint(const char *control, char *line, size_t capacity)
{
    bool usual = strcmp(control, DEFAULT_CONTROL) == 0;
    snprintf(
        line, capacity,
        "there is no user yet: make the first one with dispatchctl %s%s%suser add NAME --group administrator",
        usual ? "" : "--control ", usual ? "" : control, usual ? "" : " ");
}
