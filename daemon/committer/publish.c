#include "daemon/committer/publish.h"

#include <limits.h>
#include <stdlib.h>

#include "shared/ipc/change_frame.h"
#include "shared/log.h"
#include "shared/memory.h"
#include "shared/store/access_tag.h"

static bool is_in_sync(struct slice tag)
{
    struct access_tag read;
    return access_tag_read(tag, &read) && (read.flags & ACCESS_IN_SYNC);
}

/* All settings as they are now; nothing when that is what they were, with another document behind them. */
static void make_settings_frame(struct publisher *publisher, struct slice stored)
{
    struct buffer settings = {0};
    settings_append_stored(&settings, &publisher->config->settings, stored);
    if (!slice_equal(buffer_slice(&settings), buffer_slice(&publisher->settings)))
        change_frame_settings(&publisher->update_frame, buffer_slice(&settings));
    buffer_free(&publisher->settings);
    publisher->settings = settings;
}

/* Clients hold only what is in the sync set, so only for these are there frames: the update for those who see
 * the document now, the remove for those who saw it and do not any more, who can only be there when the tags
 * differ in who sees it. */
static void make_frames(struct publisher *publisher, const struct applied_change *change)
{
    const struct config_collection *collection = &publisher->config->collections[change->collection];
    struct slice name = slice_text(collection->name);
    buffer_clear(&publisher->update_frame);
    buffer_clear(&publisher->remove_frame);
    if (collection->index == COLLECTION_SETTINGS)
        make_settings_frame(publisher, change->minimal);
    if (collection->internal)
        return;
    if (!change->removed && is_in_sync(change->tag_after))
        change_frame_update(&publisher->update_frame, name, change->minimal, change->seq);
    if (is_in_sync(change->tag_before) &&
        (change->removed || !access_tag_same_sight(change->tag_before, change->tag_after)))
        change_frame_remove(&publisher->remove_frame, name, change->id, change->seq);
}

static void flush(struct publisher *publisher)
{
    ring_publish(publisher->ring);
    publisher->unpublished_bytes = 0;
}

static void publish_one(struct publisher *publisher, const struct applied_change *change)
{
    make_frames(publisher, change);
    struct ring_record record = {
        .seq = change->seq,
        .version = change->version,
        .collection = change->collection,
        .id = change->id,
        .tag_before = change->tag_before,
        .tag_after = change->tag_after,
        .update_frame = buffer_slice(&publisher->update_frame),
        .remove_frame = buffer_slice(&publisher->remove_frame),
    };
    ring_append(publisher->ring, &record);
    /* A large transaction is shown piece by piece: readers would be lapped before they saw a byte of it. */
    publisher->unpublished_bytes +=
        record.update_frame.length + record.remove_frame.length + record.id.length;
    if (publisher->unpublished_bytes > ring_bytes(publisher->ring) / 8)
        flush(publisher);
}

void publish_changes(struct publisher *publisher, const struct applied_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        publish_one(publisher, &changes[i]);
    flush(publisher);
}

/* ---- what a predecessor left ---- */

/* The bounds of a document's changes: as it was before the first of them, as it is after the last. */
struct missed {
    struct store_log_entry entry; /* the last one */
    struct slice tag_before;      /* of the first one */
};

struct missed_list {
    struct missed *items;
    size_t count, capacity;
};

static struct missed *add_missed(struct missed_list *list)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 256;
        list->items = memory_resize(list->items, list->capacity, sizeof *list->items);
    }
    return &list->items[list->count++];
}

static int by_document(const void *a, const void *b)
{
    const struct store_log_entry *left = &((const struct missed *)a)->entry;
    const struct store_log_entry *right = &((const struct missed *)b)->entry;
    if (left->collection != right->collection)
        return left->collection < right->collection ? -1 : 1;
    int order = slice_compare(left->id, right->id);
    return order ? order : (left->seq > right->seq) - (left->seq < right->seq);
}

static int by_seq(const void *a, const void *b)
{
    const struct missed *left = a;
    const struct missed *right = b;
    return (left->entry.seq > right->entry.seq) - (left->entry.seq < right->entry.seq);
}

/* One item for each document, in the order of their last changes. */
static void fold(struct missed_list *list)
{
    if (list->count == 0)
        return;
    qsort(list->items, list->count, sizeof *list->items, by_document);
    size_t kept = 0;
    for (size_t i = 1; i < list->count; i++) {
        struct missed *last = &list->items[kept];
        const struct missed *next = &list->items[i];
        if (last->entry.collection == next->entry.collection && slice_equal(last->entry.id, next->entry.id))
            last->entry = next->entry; /* ->tag_before remains the first one's */
        else
            list->items[++kept] = *next;
    }
    list->count = kept + 1;
    qsort(list->items, list->count, sizeof *list->items, by_seq);
}

/* A record without frames: workers read the changes up to @seq in the log, and see there what it does not
 * have any more. */
static void publish_fetch(struct publisher *publisher, uint64_t seq)
{
    struct ring_record record = {.seq = seq, .collection = COLLECTION_CREDENTIALS, .fetch = true};
    ring_append(publisher->ring, &record);
}

static void publish_folded(struct publisher *publisher, struct store *store, const struct missed *missed)
{
    const struct store_log_entry *entry = &missed->entry;
    struct applied_change change = {
        .seq = entry->seq,
        .version = entry->version,
        .collection = (uint16_t)entry->collection,
        .removed = entry->removed,
        .id = entry->id,
        .tag_before = missed->tag_before,
        .tag_after = entry->tag_after,
    };
    struct store_record record;
    enum error_code code = ERROR_NONE;
    if (!entry->removed)
        code = store_get(store, entry->collection, entry->id, &record);
    if (code != ERROR_NONE) {
        log_error("change %llu of the change log has no document that can be read",
                  (unsigned long long)entry->seq);
        publish_fetch(publisher, entry->seq);
        return;
    }
    if (!entry->removed)
        change.minimal = record.minimal;
    publish_one(publisher, &change);
}

/* What the log has behind @seq. False: not all of it can be read. */
static bool read_missed(struct store *store, uint64_t seq, struct missed_list *list)
{
    struct store_log_entry entry;
    enum store_step step;
    while ((step = store_log_next(store, seq, &entry)) == STORE_STEP) {
        if (entry.collection != UINT_MAX)
            *add_missed(list) = (struct missed){entry, entry.tag_before};
        seq = entry.seq;
    }
    return step == STORE_END;
}

/* Changes that the log does not have, or that cannot be read, are not passed over in silence: what is
 * connected would never learn of them. */
static void publish_gap(struct publisher *publisher, uint64_t upto)
{
    uint64_t published = ring_last_seq(publisher->ring);
    if (upto <= published)
        return;
    log_error(
        "changes %llu to %llu were committed but not dispatched, and the change log does not give them any "
        "more: clients are told to resync. If it is not damaged, change_log_entries is too small",
        (unsigned long long)published + 1, (unsigned long long)upto);
    publish_fetch(publisher, upto);
}

/* What is seen of the ring must not end before the store does, whatever the last changes were (of a
 * collection that is not declared any more, say): answers wait for their number. */
static void publish_end(struct publisher *publisher, uint64_t seq)
{
    if (ring_last_seq(publisher->ring) >= seq)
        return;
    struct ring_record nothing = {.seq = seq, .collection = COLLECTION_CREDENTIALS};
    ring_append(publisher->ring, &nothing);
    flush(publisher);
}

/* What the next change of the settings is compared with. */
static void know_settings(struct publisher *publisher, struct store *store)
{
    struct store_record record = {0};
    enum error_code code = store_get(store, COLLECTION_SETTINGS, SLICE("settings"), &record);
    if (code != ERROR_NONE && code != ERROR_NOT_FOUND)
        return;
    buffer_clear(&publisher->settings);
    settings_append_stored(&publisher->settings, &publisher->config->settings, record.full);
}

bool publish_missed(struct publisher *publisher, struct store *store)
{
    if (store_begin(store) != ERROR_NONE)
        return false;
    ring_start(publisher->ring, store_seq(store));
    uint64_t published = ring_last_seq(publisher->ring);
    struct missed_list list = {0};
    if (read_missed(store, published, &list)) {
        publish_gap(publisher, store_log_horizon(store));
    } else {
        publish_gap(publisher, store_seq(store));
        list.count = 0;
    }
    fold(&list);
    for (size_t i = 0; i < list.count; i++)
        publish_folded(publisher, store, &list.items[i]);
    flush(publisher);
    publish_end(publisher, store_seq(store));
    know_settings(publisher, store);
    if (list.count > 0)
        log_notice("changes %llu to %llu, committed before, are dispatched now",
                   (unsigned long long)published + 1, (unsigned long long)store_seq(store));
    free(list.items);
    store_end(store);
    return true;
}

void publisher_free(struct publisher *publisher)
{
    buffer_free(&publisher->update_frame);
    buffer_free(&publisher->remove_frame);
    buffer_free(&publisher->settings);
}
