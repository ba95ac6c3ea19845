#include "worker/history/missed_changes.h"

#include <limits.h>

#include "shared/ipc/change_frame.h"
#include "shared/store/access_tag.h"

static void look_at_entry(struct worker *worker, struct missed_change *change)
{
    const struct store_log_entry *entry = &change->entry;
    struct store_record record;
    change->update = false;
    change->remove = false;
    change->unknown = false;
    change->tag_now = (struct slice){0};
    if (entry->collection == UINT_MAX)
        return;
    enum error_code code = store_get(worker->store, entry->collection, entry->id, &record);
    change->unknown = code != ERROR_NONE && code != ERROR_NOT_FOUND;
    uint64_t newer = 0;
    if (code == ERROR_NONE && record.seq > entry->seq)
        newer = record.seq;
    else if (code == ERROR_NOT_FOUND && !entry->removed)
        newer = store_seq(worker->store); /* it was removed, at the latest then */
    if (newer > change->folded_seq)
        change->folded_seq = newer;
    if (code == ERROR_NONE) {
        change->update = record.seq == entry->seq;
        change->minimal = record.minimal;
        change->tag_now = record.tag;
    }
    change->remove = entry->tag_before.length && !access_tag_same_sight(entry->tag_before, entry->tag_after);
}

enum missed_changes_result missed_changes_next(struct worker *worker, uint64_t *seq, unsigned *entries,
                                               struct missed_change *change)
{
    change->folded_seq = 0;
    if (*seq < store_log_horizon(worker->store))
        return MISSED_CHANGES_UNKNOWN;
    enum store_step step;
    while ((step = store_log_next(worker->store, *seq, &change->entry)) == STORE_STEP) {
        *seq = change->entry.seq;
        look_at_entry(worker, change);
        if (*entries == 0 || --*entries == 0 || change->update || change->remove || change->unknown)
            return MISSED_CHANGES_NEXT;
    }
    if (step == STORE_FAILED)
        return MISSED_CHANGES_UNKNOWN;
    *seq = store_seq(worker->store);
    return MISSED_CHANGES_END;
}

void missed_change_append_update(struct buffer *out, const struct worker *worker,
                                 const struct missed_change *change)
{
    const struct config *config = worker->config;
    const struct store_log_entry *entry = &change->entry;
    if (entry->collection != COLLECTION_SETTINGS) {
        change_frame_update(out, slice_text(config->collections[entry->collection].name), change->minimal,
                            entry->seq);
        return;
    }
    struct buffer settings = {0};
    config_settings_append_stored(&settings, &config->settings, change->minimal);
    change_frame_settings(out, buffer_slice(&settings));
    buffer_free(&settings);
}
