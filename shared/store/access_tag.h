#ifndef SHARED_STORE_ACCESS_TAG_H
#define SHARED_STORE_ACCESS_TAG_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/base/slice.h"
#include "shared/config/config.h"

/*
 * Everything that decides who must see a document, and who may change it, computed once when it is written: a
 * byte of flags, then, in collections with rights, u16 length + owner, u16 length + group. The empty tag
 * means "no such document".
 */

enum {
    ACCESS_IN_SYNC = 1,
    ACCESS_ALL_READ = 2,
    ACCESS_GROUP_READ = 4,
    ACCESS_ALL_WRITE = 8,
    ACCESS_GROUP_WRITE = 16
};

enum { ACCESS_TAG_MOST = 1 + 2 + 256 + 2 + 256 };

struct access_tag {
    unsigned flags; /* in a collection without rights ACCESS_ALL_READ is always set, and nobody asks who may
                       write */
    struct slice owner; /* empty: none */
    struct slice group;
};

/** The tag of a document (an object). Ids longer than 256 bytes count as none. */
void access_tag_append(struct buffer *out, const struct config_collection *collection,
                       struct json_value document);

/** False when the bytes are no tag (never from this program; the empty slice is "absent": also false). */
bool access_tag_read(struct slice bytes, struct access_tag *out);

/** Whether two tags (bytes; empty: absent) show a document to the same viewers: they differ at most in who
 * may change it. */
bool access_tag_same_sight(struct slice a, struct slice b);

#endif
