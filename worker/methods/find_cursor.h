#ifndef WORKER_METHODS_FIND_CURSOR_H
#define WORKER_METHODS_FIND_CURSOR_H

#include "worker/methods/sort_keys.h"

/*
 * Where a find goes on: the text `after` of its answer, which a client gives back as it came. It is all there
 * is, nothing is kept here: it holds where the last document stood in the order, whether that is there still
 * or not. It is JSON:
 *
 *   sorted    ["hash of the order", "id", key, ...]   a key: [] absent, [scalar], [[] or {}, length, "text"]
 *   by id     ["", "id"]
 *   by index  ["field of the index", "key of the entry there, in hexadecimal digits"]
 *
 * What comes back may be anything. Nothing in it says more than which documents are not asked for.
 */

enum { CURSOR_MOST = 96 * 1024 }; /* bytes of one that is looked at; what is made is shorter */

/** Appends it as a string of JSON. */
void find_cursor_append_sorted(struct buffer *out, const struct sort_order *order,
                               const struct sort_key *keys, struct slice id);
/** @index: NULL for one by id; @position: as store_search_position() has it. */
void find_cursor_append_walked(struct buffer *out, const char *index, struct slice position);

/** The most bytes that these may take up. */
size_t find_cursor_sorted_most(const struct sort_order *order, const struct sort_key *keys, struct slice id);
size_t find_cursor_walked_most(const char *index, struct slice position);

struct find_cursor {
    struct sort_key keys[SORT_FIELDS]; /* of a sorted one */
    struct slice id;                   /* likewise; or the position */
    struct buffer bytes;               /* of all these */
};

/** Reads the characters of one, in an order that is by keys, or with @order NULL in that of a walk (@index as
 * above). False: it is malformed, or one of another order. @cursor is zeroed; free it in any case. */
[[gnu::warn_unused_result]] bool find_cursor_read(struct find_cursor *cursor, struct slice text,
                                                  const struct sort_order *order, const char *index);
void find_cursor_free(struct find_cursor *cursor);

#endif
