#ifndef SHARED_JSON_NUMBER_H
#define SHARED_JSON_NUMBER_H

/* What number texts mean, for those who work on texts rather than values. */

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/slice.h"

/**
 * Compares two number texts by value, exactly, whatever their length and exponent: "1.0" equals "1", 1e400 >
 * 1e399. Negative, 0 or positive.
 */
int json_number_compare(struct slice a, struct slice b);

/** Whether a number text that the parser has accepted is exactly an integer of 64 bits. Only for
 * shared/json. */
bool json_number_integer(struct slice text, int64_t *out);

/** The array position that a step of a path means (RFC 6901, section 4: no leading zeros); UINT32_MAX:
 * none. */
uint32_t json_position(struct slice step);

#endif
