#ifndef SHARED_JSON_COMPARE_H
#define SHARED_JSON_COMPARE_H

#include "shared/json/json.h"

/** Equality of values: numbers by value, strings by characters, objects without regard to the order of
 * keys. */
bool json_equal(struct json_value a, struct json_value b);

/** The same, but numbers by their text: 1.50 is not 1.5. What is stored for one would not do for the
 * other. */
bool json_same_digits(struct json_value a, struct json_value b);

/**
 * A total order for sorting: absent < null < false < true < numbers < strings (byte order) < arrays < objects
 * (the last two by length, then text). Negative, 0 or positive.
 */
int json_order(struct json_value a, struct json_value b);

/** Units of about 25 ns that it takes at most to compare two values. */
uint64_t json_comparison_work(struct json_value a, struct json_value b);

/** The one value at a dotted path ("a.b.0"; a number steps into an array), absent when there is none. */
struct json_value json_at_path(struct json_value value, struct slice path);

#endif
