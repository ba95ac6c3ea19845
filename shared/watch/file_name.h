#ifndef SHARED_WATCH_FILE_NAME_H
#define SHARED_WATCH_FILE_NAME_H

#include <stdbool.h>

#include "shared/base/slice.h"

enum { FILE_NAME_MOST = 255 }; /* bytes: NAME_MAX of Linux */

/** Whether clients can be told of a file of that name, which is then its `_id`: 1 to 255 bytes of UTF-8
 * without control characters. */
bool file_name_is_valid(struct slice name);

#endif
