#ifndef SHARED_JSON_PATH_H
#define SHARED_JSON_PATH_H

#include "shared/json/json.h"

/*
 * Dotted paths into documents, as queries, sort and indexes follow them. A step is a member of an object. In
 * an array a number is the element of that position; any other name goes on in each element that is an
 * object. So there may be many values at a path, and there is one way to each.
 */

enum { JSON_PATH_STEPS = JSON_DEPTH_LIMIT }; /* a path with more of them leads nowhere */

struct json_path_step {
    struct slice name;
    uint32_t position; /* the array element that the name means; UINT32_MAX: none */
};

/** Takes the first step off @rest, which is absent behind the last one. */
struct json_path_step json_path_take_step(struct slice *rest);

/** How many steps a path has. */
size_t json_path_count(struct slice path);

/** Units of work, of about 25 ns: what is left of those that a step may take, and what it took. */
struct json_units {
    uint64_t left, taken;
};

static inline void json_units_spend(struct json_units *units, uint64_t spent)
{
    units->taken += spent;
    units->left -= spent < units->left ? spent : units->left;
}

/* An array of the document whose elements come next. */
struct json_path_place {
    uint32_t next, end; /* nodes */
    uint32_t position;  /* of the next element */
    uint32_t step;      /* of the path; ->step_count: the elements are values */
};

/** A walk to the values at a path, which can stop anywhere and go on later: the text of the document (but not
 * its nodes) may have moved. */
struct json_path_walk {
    const struct json_path_step *steps; /* the caller's */
    uint32_t step_count;
    uint32_t value, step; /* where to follow the path from: a node */
    bool following;
    bool element; /* the last value is one of an array that json_path_enter() was called for */
    bool arrived; /* the path led to some value, or to an object without it */
    unsigned depth;
    struct json_path_place places[JSON_DEPTH_LIMIT + 1];
};

/** Begins anew, with another document perhaps. */
void json_path_begin(struct json_path_walk *walk, const struct json_path_step *steps, uint32_t count);

enum json_walked { JSON_WALKED_MORE, JSON_WALKED_VALUE, JSON_WALKED_END };

/**
 * The next value, in the order of the text. It is absent where the path leads to an object without it, and
 * that comes once, if there is no other, when the path leads nowhere: there is always one. JSON_WALKED_MORE:
 * the units are used up.
 */
[[gnu::warn_unused_result]] enum json_walked json_path_next(struct json_path_walk *walk,
                                                            struct json_value document,
                                                            struct json_value *value,
                                                            struct json_units *units);

/** The elements of @array, which was the last value, come next. */
void json_path_enter(struct json_path_walk *walk, struct json_value array);

#endif
