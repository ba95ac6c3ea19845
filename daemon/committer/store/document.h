#ifndef DAEMON_COMMITTER_STORE_DOCUMENT_H
#define DAEMON_COMMITTER_STORE_DOCUMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/base/slice.h"
#include "shared/config/config.h"
#include "shared/json/json.h"

/* The text of stored documents: compact JSON, `_id` first, then `_version`, then the members as they were
 * given. */

/** Whether @id may be a document's: 1 to 256 bytes of UTF-8 without control characters. */
bool document_id_valid(struct slice id);

/** Appends the document made of the members of @body (an object; its own `_id` and `_version` are left
 * out). */
void document_append(struct buffer *out, struct slice id, uint64_t version, struct json_value body);

/** Appends how every document with this id and version begins: all before the first member of its own. */
void document_append_head(struct buffer *out, struct slice id, uint64_t version);

/** Appends the minimal document of @full (a stored document's root): head, and the projector's fields that
 * exist. */
void document_append_minimal(struct buffer *out, const struct config_collection *collection, struct slice id,
                             uint64_t version, struct json_value full);

#endif
