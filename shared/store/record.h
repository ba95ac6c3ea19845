#ifndef SHARED_STORE_RECORD_H
#define SHARED_STORE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/base/slice.h"

/*
 * The bytes of a stored document:
 *
 *   0  u8   RECORD_ONE_TEXT when the minimal document is the full one (stored once); RECORD_TAG_SEQ when the
 *           tag is older than the version; 2 and 8 may be set and say nothing (formats before 3)
 *   1  u8   0
 *   2  u16  length of the access tag
 *   4  u32  length of the minimal document
 *   8  u64  version
 *  16  u64  seq of the change that made this version
 *  24  u64  with RECORD_TAG_SEQ: seq of the change since which it has its tag; then
 *      access tag, minimal document, full document (absent with RECORD_ONE_TEXT)
 */
enum { RECORD_HEADER = 24, RECORD_ONE_TEXT = 1, RECORD_TAG_SEQ = 4 };

/** A stored document. Slices point into the map, until store_end(). */
struct store_record {
    uint64_t version;
    uint64_t seq;         /* of the change that made this version */
    uint64_t tag_seq;     /* of the change since which it has a tag that shows it to the same people */
    struct slice tag;     /* access_tag.h */
    struct slice minimal; /* compact JSON, what clients hold: _id, _version, projector */
    struct slice full;    /* compact JSON, with _id and _version first */
};

/** False when the bytes are no record (a damaged file). Slices point into @bytes. */
[[gnu::warn_unused_result]] bool record_read(struct slice bytes, struct store_record *out);

/** Appends the bytes of @record; minimal and full with equal ->data are stored once. */
void record_append(struct buffer *out, const struct store_record *record);

#endif
