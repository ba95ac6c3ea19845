#ifndef SHARED_JSON_NUMBER_H
#define SHARED_JSON_NUMBER_H

/* What number texts mean, for those who work on texts rather than values. */

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/base/slice.h"

/**
 * Compares two number texts by value, exactly, whatever their length and exponent: "1.0" equals "1", 1e400 >
 * 1e399. Negative, 0 or positive.
 */
int json_number_compare(struct slice a, struct slice b);

/**
 * Appends a number text of at most @digits digits and 32 bytes more: the same value where that is enough, else
 * the next one toward 0. What is not below 10 to the power of 10^12 becomes one value above all others, and
 * what is that small one below all others: so no two numbers change places, whatever their length.
 */
void json_number_append_short(struct buffer *out, struct slice text, size_t digits);

/** Whether a number text that the parser has accepted is exactly an integer of 64 bits. Only for
 * shared/json. */
bool json_number_integer(struct slice text, int64_t *out);

/** The array position that a step of a path means (RFC 6901, section 4: no leading zeros); UINT32_MAX:
 * none. */
uint32_t json_position(struct slice step);

#endif
