#ifndef WORKER_METHODS_PROJECTION_H
#define WORKER_METHODS_PROJECTION_H

#include "shared/json/path.h"
#include "worker/rpc/transaction.h"

/*
 * The `fields` of find: what of each document is wanted, beside _id and _version. A field is a dotted path.
 * It goes on below objects, and through arrays, which keep their shape: what is wanted of each of their
 * elements that is an object or an array stands in an array again. A number takes the element of that
 * position alone. Where a path does not lead on, there is nothing: a member that is neither object nor array
 * is left out. Paths of which one goes on where another one ends: the whole value.
 */

enum { PROJECTION_FIELDS = 100 };

struct projected_place;

/* One of the fields, and how many of its steps lead to a place. */
struct projected_field {
    uint32_t field, step;
};

struct projection {
    struct projection_path *paths; /* in order; none: the whole document */
    size_t count;
    /* the document that is being gone through */
    struct projected_place *places; /* the open containers, the innermost last */
    size_t depth;
    struct projected_field *fields; /* of all places */
    size_t field_count, field_capacity;
    struct buffer scratch;
};

/** Reads `fields` (absent or null: all); @projection is zeroed. False: answered with `invalid`; free it all the
 * same. */
[[gnu::warn_unused_result]] bool projection_read(struct transaction *transaction, struct json_value fields,
                                                 struct projection *projection);

/** Another document, whose beginning is appended to @out. Not when there are no paths. */
void projection_begin(struct projection *projection, struct buffer *out, struct json_value document);

/** A step: appends what is wanted of it to @out. False: the units are used up, and there is more to do with the
 * same document (whose text may have moved then, but not its nodes). */
[[gnu::warn_unused_result]] bool projection_go_on(struct projection *projection, struct buffer *out,
                                                  struct json_value document, struct json_units *units);

void projection_free(struct projection *projection);

#endif
