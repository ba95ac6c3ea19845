#ifndef SHARED_JSON_NUMBER_H
#define SHARED_JSON_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/slice.h"

/** Whether a number text that the parser has accepted is exactly an integer of 64 bits. Only for shared/json.
 */
bool json_number_integer(struct slice text, int64_t *out);

#endif
