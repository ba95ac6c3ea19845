#ifndef SHARED_CONFIG_NEAREST_H
#define SHARED_CONFIG_NEAREST_H

#include <stddef.h>

#include "shared/base/slice.h"

/*
 * "Did you mean": the closest of some known names by edit distance (insert, delete, replace, swap neighbours;
 * each 1). Offer each known name; the best so far stays. Names that are too different are never taken.
 */

enum { NEAREST_BYTES = 64 }; /* longer names are not compared */

struct nearest {
    struct slice name; /* what was written; a dash counts as an underscore */
    const char *best;  /* NULL: nothing is close */
    size_t distance;   /* of the best; a candidate must be nearer */
};

struct nearest nearest_to(struct slice name);
void nearest_offer(struct nearest *nearest, const char *known);

#endif
