#include "worker/dispatch/ring_intake.h"

#include "shared/ipc/change_frame.h"
#include "shared/log.h"
#include "worker/authority/authority.h"
#include "worker/dispatch/log_walk.h"
#include "worker/net/connection.h"
#include "worker/session.h"

enum { RECORDS_IN_A_PASS = 1024 };

static bool concerns_rights(unsigned collection)
{
    return collection == COLLECTION_USERS || collection == COLLECTION_GROUPS ||
           collection == COLLECTION_SESSIONS;
}

static void append(struct worker *worker, const struct ring_record *record)
{
    network_backlog_drops(worker->network, backlog_first_after(worker->backlog, record));
    backlog_append(worker->backlog, record);
}

/* The record as the log and the store have it: for records without frames, and for those the ring has lost.
 */
static void append_from_log(struct worker *worker, const struct log_change *change)
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
        !worker->config->collections[entry->collection].internal) {
        struct slice name = slice_text(worker->config->collections[entry->collection].name);
        record.collection = (uint16_t)entry->collection;
        if (change->update)
            change_frame_update(&update, name, change->minimal, entry->seq);
        if (change->remove)
            change_frame_remove(&remove, name, entry->id, entry->seq);
        record.update_frame = buffer_slice(&update);
        record.remove_frame = buffer_slice(&remove);
    }
    append(worker, &record);
    buffer_free(&update);
    buffer_free(&remove);
}

/* Everything the log has behind the backlog's end, up to @seq. False: the log does not reach back, or the
 * store cannot be read. */
static bool append_log(struct worker *worker, uint64_t seq)
{
    if (!worker_snapshot(worker))
        return false;
    uint64_t at = backlog_last_seq(worker->backlog);
    enum log_walk_result result = LOG_WALK_CHANGE;
    while (result == LOG_WALK_CHANGE && at < seq) {
        struct log_change change;
        unsigned entries = UINT32_MAX;
        result = log_walk_next(worker, &at, &entries, &change);
        if (result == LOG_WALK_CHANGE && change.entry.seq <= seq)
            append_from_log(worker, &change);
    }
    return result != LOG_WALK_TRIMMED;
}

static void tell_resync(struct connection *connection, void *argument)
{
    (void)argument;
    struct session *session = connection->owner;
    if (session && session->account)
        session_send(session, "resync", NULL, SLICE("{\"reason\":\"Changes were missed\"}"));
}

/* The ring has lapped us. New records are read from its head on; what is between comes from the log. */
static void catch_up_with_ring(struct worker *worker)
{
    atomic_fetch_add_explicit(&worker->score->overruns, 1, memory_order_relaxed);
    ring_cursor_start(&worker->cursor, worker->ring);
    uint64_t seq = worker->cursor.seq;
    if (!append_log(worker, seq)) {
        log_warning(
            "changes up to %llu are neither in the ring nor in the change log: clients are told to resync",
            (unsigned long long)seq);
        network_each(worker->network, tell_resync, NULL);
    }
    if (backlog_last_seq(worker->backlog) < seq) {
        /* Only changes that nobody is told of stand at the end, or the log is cut: nothing more before @seq.
         */
        struct ring_record nothing = {.seq = seq};
        append(worker, &nothing);
    }
    authority_changed_all(worker->authority);
}

/* A record that came without frames, since it is too large for the ring. */
static void fetch(struct worker *worker, uint64_t seq)
{
    if (append_log(worker, seq) && backlog_last_seq(worker->backlog) >= seq)
        return;
    struct ring_record nothing = {.seq = seq}; /* changed again meanwhile: its newest state follows */
    append(worker, &nothing);
}

static enum ring_result take_one(struct worker *worker)
{
    struct ring_record record;
    enum ring_result result = ring_read(&worker->cursor, &record);
    if (result != RING_OK)
        return result;
    if (record.seq <= backlog_last_seq(worker->backlog))
        return ring_confirm(&worker->cursor); /* known from the log already */
    bool rights = concerns_rights(record.collection);
    struct buffer id = {0};
    if (rights)
        buffer_append_slice(&id, record.id);
    unsigned collection = record.collection;
    if (record.fetch) {
        uint64_t seq = record.seq;
        result = ring_confirm(&worker->cursor);
        if (result == RING_OK)
            fetch(worker, seq);
    } else {
        append(worker, &record);
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

bool ring_intake(struct worker *worker)
{
    uint64_t before = backlog_last_seq(worker->backlog);
    unsigned taken = 0;
    enum ring_result result = RING_OK;
    while (taken++ < RECORDS_IN_A_PASS && (result = take_one(worker)) != RING_END)
        if (result == RING_OVERRUN)
            catch_up_with_ring(worker);
    if (backlog_last_seq(worker->backlog) != before)
        network_backlog_grew(worker->network);
    struct scoreboard_worker *score = worker->score;
    atomic_store_explicit(&score->ring_position, worker->cursor.position, memory_order_relaxed);
    atomic_store_explicit(&score->ring_seq, backlog_last_seq(worker->backlog), memory_order_relaxed);
    atomic_store_explicit(&score->backlog_bytes, backlog_bytes(worker->backlog), memory_order_relaxed);
    atomic_store_explicit(&score->backlog_frames,
                          backlog_next(worker->backlog) - backlog_first(worker->backlog),
                          memory_order_relaxed);
    return result != RING_END;
}
