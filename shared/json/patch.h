#ifndef SHARED_JSON_PATCH_H
#define SHARED_JSON_PATCH_H

#include "shared/json/json.h"

enum json_patch_result {
    JSON_PATCH_OK,
    JSON_PATCH_MALFORMED,   /* the patch itself is wrong (RFC 6902 sections 3 and 4): "invalid" */
    JSON_PATCH_NO_TARGET,   /* a path does not exist: "invalid" */
    JSON_PATCH_TEST_FAILED, /* a "test" did not hold: "conflict" */
    JSON_PATCH_TOO_LARGE    /* the result would exceed @limit bytes ("copy" can double a document) */
};

enum { JSON_PATCH_MESSAGE = 200 };

/**
 * Applies the JSON Patch @operations to @target (RFC 6902; pointers RFC 6901), on a copy: all or nothing. On
 * success the compact result is appended to @out; otherwise @out is as it was and @message says which
 * operation and why. Numbers are kept as text (cJSON_Raw); "test" compares them by value. @limit bounds the
 * result and every state on the way to it.
 */
[[gnu::warn_unused_result]] enum json_patch_result json_patch(struct buffer *out, struct json_value target,
                                                              struct json_value operations, size_t limit,
                                                              char message[JSON_PATCH_MESSAGE]);

#endif
