#include "daemon/committer/publish.h"

#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/ipc/change_frame.h"
#include "shared/store/access_tag.h"
#include "shared/store/read.h"

static bool is_in_sync(struct slice tag)
{
    struct access_tag read;
    return access_tag_read(tag, &read) && (read.flags & ACCESS_IN_SYNC);
}

/* All settings as they are now; nothing when that is what they were, with another document after them. */
static void make_settings_frame(struct publisher *publisher, struct slice stored)
{
    struct buffer settings = {0};
    config_settings_append_stored(&settings, &publisher->config->settings, stored);
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

static void flush_ring(struct publisher *publisher)
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
        flush_ring(publisher);
}

void publish_changes(struct publisher *publisher, const struct applied_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        publish_one(publisher, &changes[i]);
    flush_ring(publisher);
}

/* ---- what a predecessor left ---- */

/* What the next change of the settings is compared with. */
static void know_settings(struct publisher *publisher, struct store *store)
{
    struct store_record record = {0};
    enum error_code code = store_get(store, COLLECTION_SETTINGS, SLICE("settings"), &record);
    if (code != ERROR_NONE && code != ERROR_NOT_FOUND)
        return;
    buffer_clear(&publisher->settings);
    config_settings_append_stored(&publisher->settings, &publisher->config->settings, record.full);
}

bool publish_missed(struct publisher *publisher, struct store *store)
{
    if (store_begin(store) != ERROR_NONE)
        return false;
    uint64_t seq = store_seq(store);
    ring_start(publisher->ring, seq);
    uint64_t published = ring_last_seq(publisher->ring);
    know_settings(publisher, store);
    store_end(store);
    if (published >= seq)
        return true;
    struct ring_record record = {.seq = seq, .collection = COLLECTION_CREDENTIALS, .fetch = true};
    ring_append(publisher->ring, &record);
    flush_ring(publisher);
    log_notice("changes %llu to %llu, committed before, are dispatched now",
               (unsigned long long)published + 1, (unsigned long long)seq);
    return true;
}

void publish_free(struct publisher *publisher)
{
    buffer_free(&publisher->update_frame);
    buffer_free(&publisher->remove_frame);
    buffer_free(&publisher->settings);
}
