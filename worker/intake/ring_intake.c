#include "worker/intake/ring_intake.h"

#include "shared/base/log.h"
#include "shared/ipc/change_frame.h"
#include "shared/store/change_log.h"
#include "worker/authority/authority.h"
#include "worker/base/snapshot.h"
#include "worker/history/missed_changes.h"
#include "worker/net/connection.h"
#include "worker/net/connection_pings.h"
#include "worker/net/network.h"

/* Units of work in one step: up to some 1,600 small changes, a single one that is large, or some 200 entries
 * of the log. */
enum { STEP_WORK = 16384, LOG_ENTRY = 2 * WORK_LOOKUP };

static void append_to_backlog(struct worker *worker, const struct ring_record *record)
{
    size_t bytes = record->update_frame.length + record->remove_frame.length;
    work_charge(&worker->work, WORK_RECORD + work_bytes(bytes));
    network_backlog_drops(worker->network, backlog_first_after(worker->backlog, record));
    backlog_append(worker->backlog, record);
}

/*
 * There are no frames of some changes up to @seq. The backlog begins anew after them, so all connections
 * fall behind, each at the place it has come to, and none is given anything of what comes next before
 * catch_up.c has found out what that means for it.
 */
static void leave_gap(struct worker *worker, uint64_t seq)
{
    network_backlog_drops(worker->network, backlog_next(worker->backlog) + 1);
    backlog_restart(worker->backlog, seq);
}

/* The record as the log and the store have it: for records without frames, and for those the ring has
 * lost. */
static void append_from_log(struct worker *worker, const struct missed_change *change)
{
    const struct store_log_entry *entry = &change->entry;
    struct buffer update = {0}, remove = {0};
    struct ring_record record = {
        .seq = entry->seq,
        .version = entry->version,
        .id = entry->id,
        .tag_before = entry->tag_before,
        .tag_after = entry->tag_after,
    };
    if (entry->collection < worker->config->collection_count &&
        config_collection_is_told(&worker->config->collections[entry->collection])) {
        struct slice name = slice_text(worker->config->collections[entry->collection].name);
        if (change->unknown) {
            leave_gap(worker, entry->seq);
            return;
        }
        record.collection = (uint16_t)entry->collection;
        if (change->update)
            missed_change_append_update(&update, worker, change);
        if (change->remove)
            change_frame_remove(&remove, name, entry->id, entry->seq);
        record.update_frame = buffer_slice(&update);
        record.remove_frame = buffer_slice(&remove);
    }
    append_to_backlog(worker, &record);
    buffer_free(&update);
    buffer_free(&remove);
}

static void unsettle_one(struct connection *connection, void *argument)
{
    connection_unsettle(connection, *(const uint64_t *)argument, NULL);
}

static void take_ring_entry(struct worker *worker, const struct missed_change *change)
{
    unsigned collection = change->entry.collection;
    struct buffer id = {0};
    if (config_collection_concerns_rights(collection))
        buffer_append_slice(&id, change->entry.id);
    append_from_log(worker, change);
    if (id.length) /* the snapshot may be another one after this */
        authority_changed(worker->authority, collection, buffer_slice(&id));
    buffer_free(&id);
}

/* What changed is not known, rights and sessions among it. */
static void log_is_cut(struct worker *worker)
{
    log_warning("changes %llu to %llu are neither in the ring nor readable in the change log: clients are "
                "told to resync",
                (unsigned long long)backlog_last_seq(worker->backlog) + 1,
                (unsigned long long)worker->log_target);
    leave_gap(worker, worker->log_target);
    authority_changed_all(worker->authority);
}

/*
 * Takes what the log has after the backlog's end, up to ->log_target, looking at no more than @entries
 * entries. It ends at the last entry looked at, also when nobody is told of that one. False: the store cannot
 * be read now.
 */
static bool take_from_log(struct worker *worker, unsigned entries)
{
    uint64_t at = backlog_last_seq(worker->backlog);
    enum missed_changes_result result = MISSED_CHANGES_NEXT;
    bool readable = true;
    while (result == MISSED_CHANGES_NEXT && at < worker->log_target && entries &&
           (readable = snapshot_take(worker))) {
        struct missed_change change;
        unsigned before = entries;
        result = missed_changes_next(worker, &at, &entries, &change);
        work_charge(&worker->work, (before - entries) * LOG_ENTRY);
        if (change.folded_seq)
            network_each(worker->network, unsettle_one, &change.folded_seq);
        if (result == MISSED_CHANGES_NEXT && at <= worker->log_target)
            take_ring_entry(worker, &change);
    }
    if (result == MISSED_CHANGES_UNKNOWN)
        log_is_cut(worker);
    if (at > worker->log_target)
        at = worker->log_target;
    struct ring_record nothing = {.seq = at};
    if (backlog_last_seq(worker->backlog) < at)
        append_to_backlog(worker, &nothing);
    return readable;
}

/* The ring has lapped us. New records are read from its head on; what is between comes from the log. */
static void ring_lapped(struct worker *worker)
{
    atomic_fetch_add_explicit(&worker->score->overruns, 1, memory_order_relaxed);
    ring_cursor_start(&worker->cursor, worker->ring);
    worker->log_target = worker->cursor.seq;
    authority_changed_all(worker->authority);
}

static enum ring_result take_one(struct worker *worker)
{
    struct ring_record record;
    enum ring_result result = ring_read(&worker->cursor, &record);
    if (result != RING_OK)
        return result;
    if (record.seq <= backlog_last_seq(worker->backlog))
        return ring_confirm(&worker->cursor); /* known from the log already */
    bool rights = config_collection_concerns_rights(record.collection);
    struct buffer id = {0};
    if (rights)
        buffer_append_slice(&id, record.id);
    unsigned collection = record.collection;
    if (record.fetch) { /* it came without frames, since it is too large for the ring */
        uint64_t seq = record.seq;
        result = ring_confirm(&worker->cursor);
        if (result == RING_OK)
            worker->log_target = seq;
    } else {
        append_to_backlog(worker, &record);
        result = ring_confirm(&worker->cursor);
        if (result != RING_OK)
            backlog_forget_last(worker->backlog);
    }
    if (result == RING_OK && rights)
        authority_changed(worker->authority, collection, buffer_slice(&id));
    buffer_free(&id);
    return result;
}

void ring_intake_start(struct worker *worker)
{
    ring_cursor_start(&worker->cursor, worker->ring);
    backlog_restart(worker->backlog, worker->cursor.seq);
}

/* True: there is more. */
static bool take_changes(struct worker *worker)
{
    const struct work *work = &worker->work;
    const uint64_t most = work->used + STEP_WORK;
    while (work->used < most) {
        if (backlog_last_seq(worker->backlog) < worker->log_target) {
            if (!take_from_log(worker, (unsigned)((most - work->used + LOG_ENTRY - 1) / LOG_ENTRY)))
                return false;
            continue;
        }
        work_charge(&worker->work, WORK_NODE);
        enum ring_result result = take_one(worker);
        if (result == RING_END)
            return false;
        if (result == RING_OVERRUN)
            ring_lapped(worker);
    }
    return true;
}

bool ring_intake(struct worker *worker)
{
    uint64_t before = backlog_last_seq(worker->backlog);
    bool more = authority_apply(worker->authority); /* what an earlier pass had no work left for */
    if (!more) {
        more = take_changes(worker);
        more |= authority_apply(worker->authority);
    }
    if (backlog_last_seq(worker->backlog) != before)
        network_backlog_grew(worker->network);
    struct scoreboard_worker *score = worker->score;
    atomic_store_explicit(&score->ring_position, worker->cursor.position, memory_order_relaxed);
    atomic_store_explicit(&score->ring_seq, backlog_last_seq(worker->backlog), memory_order_relaxed);
    atomic_store_explicit(&score->backlog_bytes, backlog_bytes(worker->backlog), memory_order_relaxed);
    atomic_store_explicit(&score->backlog_frames,
                          backlog_next(worker->backlog) - backlog_first(worker->backlog),
                          memory_order_relaxed);
    return more;
}

bool ring_intake_some(struct worker *worker)
{
    bool more;
    do
        more = ring_intake(worker);
    while (more && work_left(&worker->work, WORK_KEPT_FOR_OUTPUT));
    return more;
}

bool ring_intake_keeps_up(struct worker *worker)
{
    uint64_t published = ring_last_seq(worker->ring);
    while (backlog_last_seq(worker->backlog) < published || !authority_is_current(worker->authority)) {
        if (!work_left(&worker->work, WORK_KEPT_FOR_OUTPUT))
            return false;
        if (!ring_intake(worker))
            break;
    }
    return true;
}

bool ring_intake_published(struct worker *worker)
{
    uint64_t published = ring_last_seq(worker->ring);
    while ((backlog_last_seq(worker->backlog) < published || !authority_is_current(worker->authority)) &&
           ring_intake(worker))
        continue;
    return backlog_last_seq(worker->backlog) >= published && authority_is_current(worker->authority);
}

bool ring_intake_covers_rights(const struct worker *worker)
{
    return store_rights_seq(worker->store) <= backlog_last_seq(worker->backlog) &&
           authority_is_current(worker->authority);
}
