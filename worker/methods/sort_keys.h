#ifndef WORKER_METHODS_SORT_KEYS_H
#define WORKER_METHODS_SORT_KEYS_H

#include "shared/json/path.h"
#include "worker/rpc/transaction.h"

/*
 * What `sort` of find says, and what a document is sorted by: for each path a key, taken out of the document
 * once. Comparing is then no more than looking at bytes.
 *
 * The order of keys is that of json_order(): absent, null, false, true, numbers, strings, arrays, objects. Of
 * an array at the end of a path, or of what a path through an array leads to, the least counts when the order
 * is ascending, the greatest when it is descending; an empty array is absent. A key has a bound, so that a
 * cursor fits into a message: of strings, and of the text of arrays within arrays and of objects, the first
 * ->bytes_most bytes count, of numbers so many digits. Cut keys are in the order of whole ones, or equal.
 */

enum { SORT_FIELDS = 8, SORT_KEY_BYTES = 1024 };

struct sort_key {
    enum json_type type;
    size_t length;      /* of a container's text, all of it */
    struct slice bytes; /* a string's characters, the text of a number or container; up to SORT_KEY_MOST */
};

/* A character is not cut; numbers have a sign and an exponent. */
enum { SORT_KEY_MOST = SORT_KEY_BYTES + 32 };

struct sort_field {
    char *path; /* owned */
    size_t path_length;
    struct json_path_step *steps; /* owned */
    uint32_t step_count;
    bool descending;
};

struct sort_order {
    struct sort_field fields[SORT_FIELDS];
    size_t count;      /* 0: by id alone */
    size_t bytes_most; /* of a key */
};

/** Reads `sort` (absent or null: ->count stays 0); @order is zeroed. Keys are such that those of a document are
 * no more than a part of a message of @message_bytes. False: answered with `invalid`. Free it in any case. */
[[gnu::warn_unused_result]] bool sort_order_read(struct transaction *transaction, struct json_value sort,
                                                 size_t message_bytes, struct sort_order *order);
void sort_order_free(struct sort_order *order);

/** A number that other orders hardly have. */
uint64_t sort_order_hash(const struct sort_order *order);

/** Whether it is by `_id`, ascending, and nothing else. */
bool sort_order_is_natural(const struct sort_order *order);

/** Compares the keys of two documents; charges @work (may be NULL). */
int sort_keys_compare(const struct sort_order *order, struct work *work, const struct sort_key *a,
                      const struct sort_key *b);

/** The keys of one document, as they are taken out of it. All zero at first; sort_keys_free() at the end. */
struct sort_keys {
    struct sort_key keys[SORT_FIELDS]; /* into ->bytes; valid until the next document */
    struct buffer bytes;
    struct json_path_walk walk;
    size_t field;
    bool found; /* ->best, a node: of those that ->field leads to so far */
    uint32_t best;
};

/** Another document. */
void sort_keys_begin(struct sort_keys *keys, const struct sort_order *order);

/** A step. False: the units are used up, and there is more to do with the same document (whose text may have
 * moved then, but not its nodes). */
[[gnu::warn_unused_result]] bool sort_keys_take(struct sort_keys *keys, const struct sort_order *order,
                                                struct json_value document, struct json_units *units);
void sort_keys_free(struct sort_keys *keys);

#endif
