#include "worker/history/rights_difference.h"

void rights_difference_open(struct rights_difference *difference, struct viewer *now, uint64_t seq)
{
    *difference = (struct rights_difference){.now = now, .seq = seq};
}

static void stop_scan(struct rights_difference *difference)
{
    if (difference->scanning)
        store_scan_free(&difference->scan);
    difference->scanning = false;
}

void rights_difference_close(struct rights_difference *difference, struct viewer_table *viewers)
{
    stop_scan(difference);
    for (size_t i = 0; i < difference->former_count; i++)
        viewer_put(viewers, difference->formers[i].viewer);
    difference->former_count = 0;
    if (difference->now)
        viewer_put(viewers, difference->now);
    difference->now = NULL;
}

bool rights_difference_add(struct rights_difference *difference, struct viewer_table *viewers,
                           struct former former)
{
    for (size_t i = 0; i < difference->former_count; i++) {
        struct former *known = &difference->formers[i];
        if (known->viewer != former.viewer || (former.to != known->to && former.to != known->from))
            continue;
        if (former.from < known->from)
            known->from = former.from;
        viewer_put(viewers, former.viewer);
        return true;
    }
    if (difference->former_count == FORMERS_MOST) {
        viewer_put(viewers, former.viewer);
        return false;
    }
    difference->formers[difference->former_count++] = former;
    return true;
}

void rights_difference_turn(struct rights_difference *difference, struct viewer_table *viewers,
                            struct viewer *now)
{
    stop_scan(difference);
    difference->collection = 0;
    viewer_put(viewers, difference->now);
    difference->now = now;
}

void rights_difference_subscribed(struct rights_difference *difference, struct viewer_table *viewers,
                                  struct viewer *now, unsigned collection_count)
{
    for (unsigned i = 0; i < collection_count; i++)
        difference->skipped[i] |=
            viewer_sees_collection(now, i) != viewer_sees_collection(difference->now, i);
    viewer_put(viewers, difference->now);
    difference->now = now;
}

bool rights_difference_held(const struct rights_difference *difference, unsigned collection, struct slice tag,
                            uint64_t tag_seq, uint64_t until)
{
    if (difference->skipped[collection])
        return false;
    for (size_t i = 0; i < difference->former_count; i++) {
        const struct former *former = &difference->formers[i];
        if (tag_seq <= former->to && until > former->from && viewer_holds(former->viewer, collection, tag))
            return true;
    }
    return false;
}

/* Whether with some of the former rights it was not held. */
static bool may_lack(const struct rights_difference *difference, unsigned collection, struct slice tag)
{
    for (size_t i = 0; i < difference->former_count; i++)
        if (!viewer_holds(difference->formers[i].viewer, collection, tag))
            return true;
    return false;
}

enum { REMOVE_WORK = 2, UPDATE_WORK = 4 };

static void compare_document(struct worker *worker, const struct rights_difference *difference,
                             struct slice id, const struct store_record *record, struct sync_batch *batch)
{
    const struct config_collection *collection = &worker->config->collections[difference->collection];
    unsigned index = collection->index;
    work_charge(&worker->work, WORK_DOCUMENT + difference->former_count * WORK_NODE);
    if (viewer_holds(difference->now, index, record->tag)) {
        if (record->seq > difference->seq || !may_lack(difference, index, record->tag))
            return;
        work_charge(&worker->work, UPDATE_WORK + work_bytes(record->minimal.length));
        sync_batch_update(batch, collection, record->minimal);
    } else if (rights_difference_held(difference, index, record->tag, record->tag_seq, UINT64_MAX)) {
        work_charge(&worker->work, REMOVE_WORK);
        sync_batch_remove(batch, collection, id);
    }
}

static bool may_differ(const struct rights_difference *difference, unsigned collection)
{
    if (difference->skipped[collection])
        return false;
    for (size_t i = 0; i < difference->former_count; i++)
        if (viewer_differs(difference->now, difference->formers[i].viewer, collection))
            return true;
    return false;
}

static enum store_step walk_collection(struct worker *worker, struct rights_difference *difference,
                                       uint64_t most, struct sync_batch *batch, size_t bytes_most)
{
    struct slice id;
    struct store_record record;
    enum store_step result = STORE_STEP;
    if (!difference->scanning)
        store_scan_start(&difference->scan, difference->collection, (struct slice){0}, (struct slice){0});
    difference->scanning = true;
    work_charge(&worker->work, WORK_LOOKUP);
    store_scan_resume(worker->store, &difference->scan);
    while (worker->work.used < most && sync_batch_bytes(batch) < bytes_most) {
        result = store_scan_step(&difference->scan, &id, &record);
        if (result != STORE_STEP)
            break;
        compare_document(worker, difference, id, &record, batch);
    }
    store_scan_pause(&difference->scan);
    return result;
}

enum store_step rights_difference_walk(struct worker *worker, struct rights_difference *difference,
                                       uint64_t most, struct sync_batch *batch, size_t bytes_most)
{
    while (difference->collection < worker->config->collection_count) {
        enum store_step result = STORE_END;
        work_charge(&worker->work, WORK_NODE + difference->former_count * WORK_NODE);
        if (may_differ(difference, difference->collection))
            result = walk_collection(worker, difference, most, batch, bytes_most);
        if (result != STORE_END)
            return result;
        stop_scan(difference);
        difference->collection++;
    }
    return STORE_END;
}
