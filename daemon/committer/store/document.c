#include "daemon/committer/store/document.h"

#include "shared/store/store.h"

bool document_id_valid(struct slice id)
{
    if (id.length == 0 || id.length > STORE_ID_BYTES)
        return false;
    for (size_t i = 0; i < id.length; i++) {
        unsigned char byte = (unsigned char)id.data[i];
        if (byte < 0x20 || byte == 0x7F)
            return false;
        /* U+0080 to U+009F, the C1 controls, are C2 80 to C2 9F. */
        if (byte == 0xC2 && i + 1 < id.length && (unsigned char)id.data[i + 1] < 0xA0)
            return false;
    }
    return json_utf8_valid(id.data, id.length);
}

void document_append_head(struct buffer *out, struct slice id, uint64_t version)
{
    buffer_append_slice(out, SLICE("{\"_id\":"));
    json_append_string(out, id);
    buffer_append_slice(out, SLICE(",\"_version\":"));
    buffer_append_unsigned(out, version);
}

void document_append(struct buffer *out, struct slice id, uint64_t version, struct json_value body)
{
    document_append_head(out, id, version);
    struct json_iterator i = json_begin(body);
    while (json_step(&i)) {
        if (json_string_is(i.key, SLICE("_id")) || json_string_is(i.key, SLICE("_version")))
            continue;
        buffer_append_byte(out, ',');
        buffer_append_slice(out, json_text(i.key));
        buffer_append_byte(out, ':');
        if (body.json->compact)
            buffer_append_slice(out, json_text(i.value));
        else
            json_append_compact(out, i.value);
    }
    buffer_append_byte(out, '}');
}

void document_append_minimal(struct buffer *out, const struct config_collection *collection, struct slice id,
                             uint64_t version, struct json_value full)
{
    document_append_head(out, id, version);
    for (size_t i = 0; i < collection->projector_count; i++) {
        struct slice field = slice_text(collection->projector[i]);
        if (slice_equal(field, SLICE("_id")) || slice_equal(field, SLICE("_version")))
            continue;
        struct json_value value = json_member(full, field);
        if (!value.json)
            continue;
        buffer_append_byte(out, ',');
        json_append_string(out, field);
        buffer_append_byte(out, ':');
        buffer_append_slice(out, json_text(value));
    }
    buffer_append_byte(out, '}');
}
