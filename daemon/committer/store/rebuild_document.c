#include "daemon/committer/store/rebuild_document.h"

#include <stdio.h>

#include "daemon/committer/store/change_log_write.h"
#include "daemon/committer/store/document.h"
#include "daemon/committer/store/index_write.h"
#include "shared/store/access_tag.h"
#include "shared/store/record.h"

bool rebuild_fail(struct rebuild *rebuild, int rc)
{
    const char *why = rc == MDB_MAP_FULL ? "the store is full; give a larger map_bytes" : mdb_strerror(rc);
    snprintf(rebuild->message, STORE_MESSAGE, "%s: the collection %s cannot be rebuilt: %s",
             rebuild->store->config->data, rebuild->collection->config->name, why);
    return false;
}

static bool refuse_conflict(struct rebuild *rebuild, const struct store_index *index, struct slice holder,
                            struct slice id)
{
    snprintf(rebuild->message, STORE_MESSAGE,
             "collection %s: field %s is declared unique, but the documents \"%.*s%s\" and \"%.*s%s\" have "
             "the same value",
             rebuild->collection->config->name, index->field.data,
             holder.length > 64 ? 64 : (int)holder.length, holder.data, holder.length > 64 ? "..." : "",
             id.length > 64 ? 64 : (int)id.length, id.data, id.length > 64 ? "..." : "");
    return false;
}

static bool make_keys(struct rebuild *rebuild, MDB_txn *txn, struct slice id)
{
    struct index_keys *keys = &rebuild->keys;
    for (size_t i = 0; i < rebuild->collection->index_count; i++) {
        const struct store_index *index = &rebuild->collection->indexes[i];
        index_keys_of(keys, index, json_root(&rebuild->document));
        rebuild->batch_keys += keys->count;
        for (size_t k = 0; k < keys->count; k++) {
            struct slice holder;
            int rc =
                index->unique ? index_holder(txn, index->dbi, keys->items[k], id, &holder) : MDB_NOTFOUND;
            if (!rc)
                return refuse_conflict(rebuild, index, holder, id);
            if (rc == MDB_NOTFOUND)
                rc = index_put(txn, index->dbi, keys->items[k], id);
            if (rc)
                return rebuild_fail(rebuild, rc);
        }
    }
    return true;
}

/** The minimal document of @record, whose text is in ->document. */
static struct slice make_minimal(struct rebuild *rebuild, struct slice id, const struct store_record *record)
{
    const struct config_collection *config = rebuild->collection->config;
    if (!config->projector_count)
        return record->full;
    buffer_clear(&rebuild->minimal);
    document_append_minimal(&rebuild->minimal, config, id, record->version, json_root(&rebuild->document));
    return rebuild->minimal.length == record->full.length ? record->full : buffer_slice(&rebuild->minimal);
}

/** ->full: the text of @record with its next version. */
static struct slice make_full(struct rebuild *rebuild, struct slice id, const struct store_record *record)
{
    struct buffer *full = &rebuild->full;
    buffer_clear(full);
    document_append_head(full, id, record->version);
    size_t head = full->length;
    buffer_clear(full);
    document_append_head(full, id, record->version + 1);
    buffer_append(full, record->full.data + head, record->full.length - head);
    return buffer_slice(full);
}

/** Clients see the document in another way from now on: a change like any other, @next with its number. */
static int make_change(struct rebuild *rebuild, struct slice id, const struct store_record *old,
                       struct store_record *next)
{
    unsigned collection = rebuild->collection->config->index;
    bool same_sight = access_tag_same_sight(old->tag, next->tag);
    next->full = make_full(rebuild, id, old);
    next->version = old->version + 1;
    next->minimal = make_minimal(rebuild, id, next);
    next->seq = ++rebuild->state.seq;
    next->tag_seq = same_sight ? old->tag_seq : next->seq;
    struct store_log_entry entry = {.seq = next->seq,
                                    .collection = collection,
                                    .version = next->version,
                                    .tag_seq_before = old->tag_seq,
                                    .id = id,
                                    .tag_before = old->tag,
                                    .tag_after = next->tag};
    if (collection == COLLECTION_USERS || collection == COLLECTION_GROUPS)
        entry.before = old->full;
    if (config_collection_concerns_rights(collection))
        rebuild->state.rights_seq = next->seq;
    return change_log_append(rebuild->store, rebuild->log, &entry, &rebuild->record);
}

/** ->record: the record as the declaration now wants it. */
static bool make_record(struct rebuild *rebuild, struct slice id, const struct store_record *old)
{
    const struct config_collection *config = rebuild->collection->config;
    if (!json_parse(&rebuild->document, old->full.data, old->full.length)) {
        snprintf(rebuild->message, STORE_MESSAGE, "collection %s: a stored document is damaged: %s",
                 config->name, rebuild->document.error);
        return false;
    }
    buffer_clear(&rebuild->tag);
    access_tag_append(&rebuild->tag, config, json_root(&rebuild->document));
    struct store_record next = *old;
    next.tag = buffer_slice(&rebuild->tag);
    next.minimal = make_minimal(rebuild, id, &next);
    if (!slice_equal(next.minimal, old->minimal) || !access_tag_same_sight(next.tag, old->tag)) {
        int rc = make_change(rebuild, id, old, &next);
        if (rc)
            return rebuild_fail(rebuild, rc);
    }
    buffer_clear(&rebuild->record);
    record_append(&rebuild->record, &next);
    return true;
}

bool rebuild_document(struct rebuild *rebuild, MDB_txn *txn, MDB_cursor *cursor, MDB_val key, MDB_val value)
{
    /* A put may move what LMDB gave us. */
    buffer_clear(&rebuild->position);
    buffer_append_slice(&rebuild->position, store_slice(key));
    buffer_clear(&rebuild->value);
    buffer_append_slice(&rebuild->value, store_slice(value));
    struct slice id = buffer_slice(&rebuild->position), bytes = buffer_slice(&rebuild->value);
    struct store_record old;
    if (!record_read(bytes, &old))
        return rebuild_fail(rebuild, MDB_CORRUPTED);
    if (!make_record(rebuild, id, &old))
        return false;
    struct slice record = buffer_slice(&rebuild->record);
    if (!slice_equal(record, bytes)) {
        MDB_val same = store_val(id), next = store_val(record);
        int rc = mdb_cursor_put(cursor, &same, &next, 0);
        if (rc)
            return rebuild_fail(rebuild, rc);
    }
    return make_keys(rebuild, txn, id);
}
