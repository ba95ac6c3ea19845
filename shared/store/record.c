#include "shared/store/record.h"

#include "shared/store/bytes.h"

bool record_read(struct slice bytes, struct store_record *out)
{
    struct slice header;
    if (!bytes_take(&bytes, RECORD_HEADER, &header))
        return false;
    out->version = bytes_get_64(header.data + 8);
    out->seq = bytes_get_64(header.data + 16);
    out->tag_seq = out->seq;
    struct slice tag_seq;
    if (header.data[0] & RECORD_TAG_SEQ) {
        if (!bytes_take(&bytes, 8, &tag_seq))
            return false;
        out->tag_seq = bytes_get_64(tag_seq.data);
    }
    if (!bytes_take(&bytes, bytes_get_16(header.data + 2), &out->tag) ||
        !bytes_take(&bytes, bytes_get_32(header.data + 4), &out->minimal))
        return false;
    out->full = (header.data[0] & RECORD_ONE_TEXT) ? out->minimal : bytes;
    return true;
}

void record_append(struct buffer *out, const struct store_record *record)
{
    bool one = record->minimal.data == record->full.data;
    char *header = buffer_reserve(out, RECORD_HEADER);
    bool older = record->tag_seq != record->seq;
    header[0] = (char)((one ? RECORD_ONE_TEXT : 0) | (older ? RECORD_TAG_SEQ : 0));
    header[1] = 0;
    bytes_put_16(header + 2, (uint16_t)record->tag.length);
    bytes_put_32(header + 4, (uint32_t)record->minimal.length);
    bytes_put_64(header + 8, record->version);
    bytes_put_64(header + 16, record->seq);
    out->length += RECORD_HEADER;
    if (older) {
        char tag_seq[8];
        bytes_put_64(tag_seq, record->tag_seq);
        buffer_append(out, tag_seq, sizeof tag_seq);
    }
    buffer_append_slice(out, record->tag);
    buffer_append_slice(out, record->minimal);
    if (!one)
        buffer_append_slice(out, record->full);
}
