#include "worker/methods/manifest_difference.h"

void manifest_difference_start(struct manifest_difference *walk, const struct manifest *manifest,
                               bool same_history)
{
    *walk = (struct manifest_difference){.manifest = manifest, .same_history = same_history};
    store_scan_start(&walk->scan, manifest->collection->index, manifest->from, manifest->to);
}

enum { REMOVE_WORK = 2, UPDATE_WORK = 4 };

static void remove_entry(struct manifest_difference *walk, struct work *work, struct sync_batch *batch)
{
    const struct manifest_entry *entry = &walk->manifest->entries[walk->at];
    walk->count++;
    work_charge(work, REMOVE_WORK);
    if (batch)
        sync_batch_remove(batch, walk->manifest->collection, entry->id);
}

static void update_document(struct manifest_difference *walk, struct work *work, struct sync_batch *batch,
                            const struct store_record *record)
{
    walk->count++;
    if (!batch)
        return;
    work_charge(work, UPDATE_WORK + work_bytes(record->minimal.length));
    sync_batch_update(batch, walk->manifest->collection, record->minimal);
}

static bool up_to_date(const struct manifest_difference *walk, const struct manifest_entry *entry,
                       const struct store_record *record)
{
    return walk->same_history && entry->version == (int64_t)record->version;
}

static bool is_full(const struct sync_batch *batch, size_t bytes_most)
{
    return batch && sync_batch_bytes(batch) >= bytes_most;
}

/* Entries before a document that is there (absent: after all of them) are gone. False: there are more
 * of them than the step may look at. */
static bool pass_over(struct manifest_difference *walk, struct work *work, uint64_t most, struct slice id,
                      struct sync_batch *batch, size_t bytes_most)
{
    const struct manifest *manifest = walk->manifest;
    while (walk->at < manifest->count &&
           (!id.data || slice_compare(manifest->entries[walk->at].id, id) < 0)) {
        if (work->used >= most || is_full(batch, bytes_most))
            return false;
        remove_entry(walk, work, batch);
        walk->at++;
    }
    return true;
}

/* A document that is there is compared with its own entry, if there is one. */
static void compare_with_manifest(struct manifest_difference *walk, struct work *work,
                                  const struct viewer *viewer, struct slice id,
                                  const struct store_record *record, struct sync_batch *batch)
{
    const struct manifest *manifest = walk->manifest;
    bool listed = walk->at < manifest->count && slice_equal(manifest->entries[walk->at].id, id);
    bool holds = viewer && viewer_holds(viewer, manifest->collection->index, record->tag);
    if (listed && !holds)
        remove_entry(walk, work, batch);
    else if (holds && !(listed && up_to_date(walk, &manifest->entries[walk->at], record)))
        update_document(walk, work, batch, record);
    walk->at += listed;
}

static enum store_step compare_documents(struct worker *worker, struct manifest_difference *walk,
                                         const struct viewer *viewer, uint64_t most, struct sync_batch *batch,
                                         size_t bytes_most)
{
    struct work *work = &worker->work;
    struct slice id;
    struct store_record record;
    enum store_step result = STORE_STEP;
    work_charge(work, WORK_LOOKUP);
    store_scan_resume(worker->store, &walk->scan);
    while (work->used < most && !is_full(batch, bytes_most)) {
        work_charge(work, WORK_DOCUMENT);
        result = store_scan_step(&walk->scan, &id, &record);
        if (result != STORE_STEP)
            break;
        if (!pass_over(walk, work, most, id, batch, bytes_most)) {
            walk->scan.include_position = true; /* the document is compared in a later step */
            break;
        }
        compare_with_manifest(walk, work, viewer, id, &record, batch);
    }
    store_scan_pause(&walk->scan);
    return result;
}

enum store_step manifest_difference_step(struct worker *worker, struct manifest_difference *walk,
                                         const struct viewer *viewer, uint64_t most, struct sync_batch *batch,
                                         size_t bytes_most)
{
    if (!walk->scan_ended) {
        enum store_step result = compare_documents(worker, walk, viewer, most, batch, bytes_most);
        if (result != STORE_END)
            return result;
    }
    /* Only now is it known that nothing stands after the last document. */
    walk->scan_ended = true;
    return pass_over(walk, &worker->work, most, (struct slice){0}, batch, bytes_most) ? STORE_END
                                                                                      : STORE_STEP;
}

void manifest_difference_free(struct manifest_difference *walk)
{
    store_scan_free(&walk->scan);
}
