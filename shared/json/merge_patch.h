#ifndef SHARED_JSON_MERGE_PATCH_H
#define SHARED_JSON_MERGE_PATCH_H

#include "shared/json/json.h"

/**
 * Appends the result of applying the JSON Merge Patch @patch to @target (RFC 7396, section 2), compact.
 * @target may be absent. Keys that stay keep their place, new keys come after. Linear in both (a hash of the
 * keys when many).
 */
void json_merge_patch(struct buffer *out, struct json_value target, struct json_value patch);

#endif
