#ifndef SHARED_BASE_UTF8_H
#define SHARED_BASE_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/slice.h"

/** Where in a character a text stands that comes in pieces. All zero: between characters. */
struct utf8_state {
    uint8_t missing;   /* bytes until the character is whole */
    uint8_t low, high; /* bounds of the next one */
};

/** Checks the next piece (RFC 3629: no surrogates, no overlong forms, up to U+10FFFF). False: it is not
 * UTF-8. The text may end where ->missing is 0. */
[[gnu::warn_unused_result]] bool utf8_feed(struct utf8_state *state, struct slice piece);

/** The beginning of @text, which is UTF-8, that has at most @most bytes and ends with a whole character. */
struct slice utf8_cut(struct slice text, size_t most);

#endif
