#include "worker/jobs/sync_walk.h"

void sync_walk_start(struct sync_walk *walk, const struct manifest *manifest, bool same_history)
{
    *walk = (struct sync_walk){.manifest = manifest, .same_history = same_history};
    store_scan_start(&walk->scan, manifest->collection->index, manifest->from, manifest->to);
}

static void remove_entry(struct sync_walk *walk, struct sync_batch *batch)
{
    const struct manifest_entry *entry = &walk->manifest->entries[walk->at];
    walk->count++;
    if (batch)
        sync_batch_remove(batch, walk->manifest->collection, entry->id);
}

static void update_document(struct sync_walk *walk, struct sync_batch *batch,
                            const struct store_record *record)
{
    walk->count++;
    if (batch)
        sync_batch_update(batch, walk->manifest->collection, record->minimal);
}

static bool up_to_date(const struct sync_walk *walk, const struct manifest_entry *entry,
                       const struct store_record *record)
{
    return walk->same_history && entry->version == (int64_t)record->version;
}

/* A document that is there: entries in front of it are gone; its own entry, if there is one, is compared. */
static void compare(struct sync_walk *walk, const struct viewer *viewer, struct slice id,
                    const struct store_record *record, struct sync_batch *batch)
{
    const struct manifest *manifest = walk->manifest;
    int order = 1;
    while (walk->at < manifest->count && (order = slice_compare(manifest->entries[walk->at].id, id)) < 0) {
        remove_entry(walk, batch);
        walk->at++;
    }
    bool listed = walk->at < manifest->count && order == 0;
    bool holds = viewer && viewer_holds(viewer, manifest->collection->index, record->tag);
    if (listed && !holds)
        remove_entry(walk, batch);
    else if (holds && !(listed && up_to_date(walk, &manifest->entries[walk->at], record)))
        update_document(walk, batch, record);
    walk->at += listed;
}

static enum store_step compare_documents(struct worker *worker, struct sync_walk *walk,
                                         const struct viewer *viewer, unsigned *documents,
                                         struct sync_batch *batch, size_t bytes_most)
{
    struct slice id;
    struct store_record record;
    enum store_step result = STORE_STEP;
    store_scan_resume(worker->store, &walk->scan);
    while (*documents && !(batch && sync_batch_bytes(batch) >= bytes_most)) {
        --*documents;
        result = store_scan_step(&walk->scan, &id, &record);
        if (result != STORE_STEP)
            break;
        compare(walk, viewer, id, &record, batch);
    }
    store_scan_pause(&walk->scan);
    return result;
}

enum store_step sync_walk_step(struct worker *worker, struct sync_walk *walk, const struct viewer *viewer,
                               unsigned *documents, struct sync_batch *batch, size_t bytes_most)
{
    if (!walk->scan_ended) {
        enum store_step result = compare_documents(worker, walk, viewer, documents, batch, bytes_most);
        if (result != STORE_END)
            return result;
    }
    /* Only now is it known that nothing stands behind the last document. */
    walk->scan_ended = true;
    for (; walk->at < walk->manifest->count; walk->at++) {
        if (batch && sync_batch_bytes(batch) >= bytes_most)
            return STORE_STEP;
        remove_entry(walk, batch);
    }
    return STORE_END;
}

void sync_walk_free(struct sync_walk *walk)
{
    store_scan_free(&walk->scan);
}
