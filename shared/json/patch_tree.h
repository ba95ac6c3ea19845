#ifndef SHARED_JSON_PATCH_TREE_H
#define SHARED_JSON_PATCH_TREE_H

#include <cjson/cJSON.h>

#include "shared/json/json.h"

/*
 * Documents as cJSON trees while a JSON Patch changes them. Numbers are cJSON_Raw and keep their text.
 * Nothing is printed by cJSON. Only for the files of shared/json.
 */

/** What a tree is in numbers: the length of its compact text, the levels it nests, its nodes. */
struct patch_measure {
    size_t bytes;
    unsigned depth; /* 0 for a scalar */
    size_t nodes;
};

/** What was done and what may be, in units of about a nanosecond. */
struct patch_work {
    uint64_t done, most;
};

enum {
    PATCH_WORK_OPERATION = 100,
    PATCH_WORK_NODE = 100,   /* to make a node, or copy it, and to delete it some day */
    PATCH_WORK_MEASURED = 8, /* to measure it, beside its bytes */
    PATCH_WORK_HOP = 8       /* from one node to the next beside it */
};

/** A tree of @value; the caller deletes it (cJSON_Delete) or puts it into another. */
cJSON *patch_tree_build(struct json_value value);

cJSON *patch_tree_copy(const cJSON *item);

/** Puts @item after the members of @object. @key is copied. */
void patch_tree_add_member(cJSON *object, const char *key, cJSON *item);

/** Adds to @work what that costs. */
struct patch_measure patch_tree_measure(const cJSON *item, struct patch_work *work);

/** The same of a tree that was just made, or is about to be copied: with what that costs. */
struct patch_measure patch_tree_measure_new(const cJSON *item, struct patch_work *work);

/** Bytes of @text as a JSON string with its quotes, as json_append_string() writes it. */
size_t patch_string_bytes(const char *text);

/** Appends the tree, compact. */
void patch_tree_append(struct buffer *out, const cJSON *item);

/** json_equal() of a tree and a value. Adds to @work what it costs; false also when that is too much. */
bool patch_tree_equal(const cJSON *item, struct json_value value, struct patch_work *work);

#endif
