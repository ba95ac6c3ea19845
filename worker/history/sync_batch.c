#include "worker/history/sync_batch.h"

#include "shared/ipc/change_frame.h"
#include "shared/json/json.h"

enum { MESSAGE_BYTES = 32 * 1024 };

void sync_batch_finish(struct sync_batch *batch)
{
    if (!batch->collection)
        return;
    change_frame_sync(&batch->frames, batch->kind == BACKLOG_UPDATE ? "update" : "remove",
                      slice_text(batch->collection->name), buffer_slice(&batch->list));
    buffer_clear(&batch->list);
    batch->collection = NULL;
}

/* What does not fit is alone in its message, which so is hardly larger than that by which it is dispatched. */
static void sync_batch_next(struct sync_batch *batch, const struct config_collection *collection,
                            enum backlog_kind kind, size_t bytes)
{
    if (batch->collection != collection || batch->kind != kind || batch->list.length + bytes > MESSAGE_BYTES)
        sync_batch_finish(batch);
    if (batch->collection)
        buffer_append_byte(&batch->list, ',');
    batch->collection = collection;
    batch->kind = kind;
}

void sync_batch_update(struct sync_batch *batch, const struct config_collection *collection,
                       struct slice document)
{
    sync_batch_next(batch, collection, BACKLOG_UPDATE, document.length);
    buffer_append_slice(&batch->list, document);
}

void sync_batch_remove(struct sync_batch *batch, const struct config_collection *collection, struct slice id)
{
    sync_batch_next(batch, collection, BACKLOG_REMOVE, id.length);
    json_append_string(&batch->list, id);
}

size_t sync_batch_bytes(const struct sync_batch *batch)
{
    return batch->frames.length + batch->list.length;
}

void sync_batch_free(struct sync_batch *batch)
{
    buffer_free(&batch->frames);
    buffer_free(&batch->list);
    batch->collection = NULL;
}
