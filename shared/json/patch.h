#ifndef SHARED_JSON_PATCH_H
#define SHARED_JSON_PATCH_H

#include "shared/json/json.h"

enum json_patch_result {
    JSON_PATCH_OK,
    JSON_PATCH_MALFORMED,   /* the patch itself is wrong (RFC 6902 sections 3 and 4): "invalid" */
    JSON_PATCH_NO_TARGET,   /* a path does not exist: "invalid" */
    JSON_PATCH_TEST_FAILED, /* a "test" did not hold: "conflict" */
    JSON_PATCH_TOO_LARGE    /* the result would have too many bytes ("copy" can double a document), or the
                               patch is too much work */
};

/** What a patch may come to. */
struct json_patch_bounds {
    size_t bytes;  /* of the result, and of every state on the way to it */
    uint64_t work; /* units: about one for each byte that is read, moved, compared or copied, more for each
                      node that is passed on the way to a place */
    uint64_t done; /* out: the work that was done, at most a little more than ->work */
};

enum { JSON_PATCH_MESSAGE = 200 };

/**
 * Applies the JSON Patch @operations to @target (RFC 6902; pointers RFC 6901), on a copy: all or nothing. On
 * success the compact result is appended to @out; otherwise @out is as it was and @message says which
 * operation and why. Numbers are kept as text (cJSON_Raw); "test" compares them by value.
 */
[[gnu::warn_unused_result]] enum json_patch_result json_patch(struct buffer *out, struct json_value target,
                                                              struct json_value operations,
                                                              struct json_patch_bounds *bounds,
                                                              char message[JSON_PATCH_MESSAGE]);

#endif
