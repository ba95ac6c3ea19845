#include "shared/store/access_tag.h"

#include "shared/json/compare.h"
#include "shared/store/bytes.h"

enum { TAG_ID_BYTES = 256, FLAGS_SIGHT = ACCESS_IN_SYNC | ACCESS_ALL_READ | ACCESS_GROUP_READ };

static void append_id(struct buffer *out, struct json_value document, const char *field)
{
    struct buffer scratch = {0};
    struct slice id = {0};
    if (field)
        id = json_string(json_at_path(document, slice_text(field)), &scratch);
    if (id.length > TAG_ID_BYTES)
        id.length = 0;
    char length[2];
    bytes_put_16(length, (uint16_t)id.length);
    buffer_append(out, length, sizeof length);
    buffer_append_slice(out, id);
    buffer_free(&scratch);
}

static bool is_true(struct json_value document, const char *field)
{
    return field && json_type(json_at_path(document, slice_text(field))) == JSON_TRUE;
}

void access_tag_append(struct buffer *out, const struct config_collection *collection,
                       struct json_value document)
{
    unsigned flags = 0;
    if (!collection->sync_filter || json_query_matches(collection->sync_filter, document))
        flags |= ACCESS_IN_SYNC;
    if (!collection->has_rights) {
        buffer_append_byte(out, (char)(flags | ACCESS_ALL_READ));
        return;
    }
    const struct config_rights *rights = &collection->rights;
    if (is_true(document, rights->all_read))
        flags |= ACCESS_ALL_READ;
    if (is_true(document, rights->group_read))
        flags |= ACCESS_GROUP_READ;
    if (is_true(document, rights->all_write))
        flags |= ACCESS_ALL_WRITE;
    if (is_true(document, rights->group_write))
        flags |= ACCESS_GROUP_WRITE;
    buffer_append_byte(out, (char)flags);
    append_id(out, document, rights->owner);
    append_id(out, document, rights->group);
}

static bool read_id(struct slice *bytes, struct slice *id)
{
    struct slice length;
    return bytes_take(bytes, 2, &length) && bytes_get_16(length.data) <= TAG_ID_BYTES &&
           bytes_take(bytes, bytes_get_16(length.data), id);
}

bool access_tag_read(struct slice bytes, struct access_tag *out)
{
    *out = (struct access_tag){0};
    struct slice flags;
    if (!bytes_take(&bytes, 1, &flags))
        return false;
    out->flags = (unsigned char)flags.data[0];
    if (out->flags & ~(unsigned)(FLAGS_SIGHT | ACCESS_ALL_WRITE | ACCESS_GROUP_WRITE))
        return false;
    if (bytes.length == 0)
        return true;
    return read_id(&bytes, &out->owner) && read_id(&bytes, &out->group) && bytes.length == 0;
}

bool access_tag_same_sight(struct slice a, struct slice b)
{
    if (a.length == 0 || a.length != b.length)
        return a.length == b.length;
    return ((unsigned)(a.data[0] ^ b.data[0]) & FLAGS_SIGHT) == 0 &&
           memcmp(a.data + 1, b.data + 1, a.length - 1) == 0;
}
