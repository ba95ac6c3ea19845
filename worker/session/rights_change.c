#include "worker/session/rights_change.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/store/access_tag.h"
#include "shared/store/change_log.h"
#include "worker/base/snapshot.h"
#include "worker/history/missed_changes.h"
#include "worker/history/rights_difference.h"
#include "worker/net/connection.h"
#include "worker/net/connection_pings.h"
#include "worker/net/connection_write.h"

enum { STEP_BYTES = 64 * 1024 }; /* that are sent in one step, which does WORK_TURN otherwise */

enum rights_change_phase {
    COMPARING,   /* documents */
    READING_LOG, /* for what had another tag at the hold */
    FOLDING      /* the output catches up from the log */
};

struct rights_change {
    struct rights_difference difference;
    struct buffer amend; /* to go in front; empty: it is out */
    enum rights_change_phase phase;
    bool compared;       /* some documents were, with the present rights */
    uint64_t first_hold; /* where the copy stood when the first of these rights changed */
    uint64_t log_seq;    /* READING_LOG has come up to here */
    uint64_t read_seq;   /* the present rights are those of a snapshot that ended here */
};

static void use_viewer(struct session *session, struct viewer *viewer)
{
    struct output *output = &session->connection->output;
    if (output->viewer)
        viewer_put(session->worker->viewers, output->viewer);
    output->viewer = viewer;
}

void rights_change_end(struct session *session)
{
    struct rights_change *change = session->rights_change;
    if (!change)
        return;
    rights_difference_close(&change->difference, session->worker->viewers);
    buffer_free(&change->amend);
    free(change);
    session->rights_change = NULL;
    output_release(&session->connection->output, OUTPUT_NO_HOLD);
    connection_queue(session->connection);
}

bool rights_change_folds(const struct session *session)
{
    return session->rights_change && session->rights_change->phase == FOLDING;
}

/* Nobody knows what the client holds: it is to sync, after what is queued, and is sent what is new from here
 * on. (Of what is not out yet, older versions may be none of its business.) */
static void rights_change_give_up(struct session *session)
{
    connection_send_frames(session->connection, buffer_slice(&session->rights_change->amend), 0);
    session_resync(session, "Your rights have changed", session->rights_change->read_seq);
}

static struct rights_change *open_change(struct session *session, struct viewer *now)
{
    struct output *output = &session->connection->output;
    struct rights_change *change = memory_zeroed(1, sizeof *change);
    session->rights_change = change;
    output_hold(output, session->worker->backlog);
    change->first_hold = output->hold_seq;
    rights_difference_open(&change->difference, viewer_keep(now), output->hold_seq);
    return change;
}

/* The rights have changed again. What was folded meanwhile went out with the ones from before. */
static void rights_change_turn(struct session *session, struct viewer *now)
{
    struct rights_change *change = session->rights_change;
    struct output *output = &session->connection->output;
    if (change->phase == FOLDING) {
        output_hold(output, session->worker->backlog);
        change->difference.seq = output->hold_seq;
    }
    rights_difference_turn(&change->difference, session->worker->viewers, viewer_keep(now));
}

/* False: there have been too many. */
static bool rights_change_add_former(struct session *session)
{
    struct rights_change *change = session->rights_change;
    struct output *output = &session->connection->output;
    /* Rights with which nothing was compared and sent have left no trace in the copy. */
    if (change->difference.former_count > 0 && !change->compared)
        return true;
    struct former former = {viewer_keep(output->viewer), change->read_seq, output->hold_seq};
    return rights_difference_add(&change->difference, session->worker->viewers, former);
}

void rights_change_begin(struct session *session, struct viewer *now, struct slice amend)
{
    struct rights_change *change = session->rights_change;
    if (!change)
        change = open_change(session, now);
    else
        rights_change_turn(session, now);
    bool known = rights_change_add_former(session);
    /* Pieces of a sync that wait after the hold are for the rights from before. */
    known &= session->synced_seq <= session->connection->output.hold_seq;
    buffer_clear(&change->amend); /* the newest says it all */
    buffer_append_slice(&change->amend, amend);
    change->phase = COMPARING;
    change->compared = false;
    change->read_seq = session->login.account->loaded_seq;
    use_viewer(session, now);
    if (known)
        connection_queue(session->connection);
    else
        rights_change_give_up(session);
}

void rights_change_subscribed(struct session *session, struct viewer *now)
{
    struct worker *worker = session->worker;
    rights_difference_subscribed(&session->rights_change->difference, worker->viewers, viewer_keep(now),
                                 (unsigned)worker->config->collection_count);
    use_viewer(session, now);
}

/* The present rights leave a trace in the copy: by the refusal, which goes out after the replies that are
 * queued, and must do so before what later rights give back. */
void rights_change_refused(struct session *session)
{
    struct rights_change *change = session->rights_change;
    const struct output *output = &session->connection->output;
    uint64_t place = output->last ? output->last->after_seq : 0;
    if (place > session->synced_seq)
        session->synced_seq = place;
    if (change && place > output->hold_seq)
        rights_change_give_up(session);
    else if (change)
        change->compared = true;
}

/* What a piece of it comes to. */
enum piece {
    PIECE_MADE,
    PIECE_LOST,      /* the log does not reach back any more, or cannot be read */
    PIECE_UNREADABLE /* a document cannot be read */
};

/* A document that got another tag since the hold: with the one before, former rights may have let it be held.
 * False: it cannot be read. */
static bool compare_entry(struct session *session, const struct store_log_entry *entry,
                          struct sync_batch *batch)
{
    const struct rights_change *change = session->rights_change;
    const struct config *config = session->worker->config;
    struct store_record record;
    if (entry->collection >= config->collection_count ||
        access_tag_same_sight(entry->tag_before, entry->tag_after) ||
        !rights_difference_held(&change->difference, entry->collection, entry->tag_before,
                                entry->tag_seq_before, entry->seq))
        return true;
    work_charge(&session->worker->work, WORK_LOOKUP);
    enum error_code code = store_get(session->worker->store, entry->collection, entry->id, &record);
    if (code != ERROR_NONE && code != ERROR_NOT_FOUND)
        return false;
    if (code == ERROR_NOT_FOUND || !viewer_holds(change->difference.now, entry->collection, record.tag))
        sync_batch_remove(batch, &config->collections[entry->collection], entry->id);
    return true;
}

static enum piece read_log(struct session *session, uint64_t most, struct sync_batch *batch)
{
    struct worker *worker = session->worker;
    struct rights_change *change = session->rights_change;
    struct store_log_entry entry;
    if (change->log_seq < store_log_horizon(worker->store))
        return PIECE_LOST;
    while (worker->work.used < most && sync_batch_bytes(batch) < STEP_BYTES) {
        work_charge(&worker->work, WORK_LOOKUP);
        switch (store_log_next(worker->store, change->log_seq, &entry)) {
        case STORE_STEP:
            break;
        case STORE_END:
            change->phase = FOLDING;
            return PIECE_MADE;
        case STORE_FAILED:
            return PIECE_LOST;
        }
        change->log_seq = entry.seq;
        if (!compare_entry(session, &entry, batch))
            return PIECE_UNREADABLE;
    }
    return PIECE_MADE;
}

static enum piece rights_change_compare(struct session *session, uint64_t most, struct sync_batch *batch)
{
    struct rights_change *change = session->rights_change;
    change->compared = true;
    enum store_step result =
        rights_difference_walk(session->worker, &change->difference, most, batch, STEP_BYTES);
    if (result == STORE_END) {
        change->phase = READING_LOG;
        change->log_seq = change->first_hold;
    }
    return result == STORE_FAILED ? PIECE_UNREADABLE : PIECE_MADE;
}

/* In front of the changes that are held: what it holds of documents is newer than they are. */
static void insert_piece(struct session *session, struct slice frames)
{
    struct connection *connection = session->connection;
    struct buffer all = {0};
    if (frames.length > session->rights_change->amend.length)
        connection_unsettle(connection, store_seq(session->worker->store), &all);
    buffer_append_slice(&all, frames);
    work_charge(&session->worker->work, work_bytes(all.length));
    output_insert(&connection->output, buffer_slice(&all));
    buffer_free(&all);
    buffer_free(&session->rights_change->amend);
}

static void send_piece(struct session *session)
{
    struct worker *worker = session->worker;
    struct rights_change *change = session->rights_change;
    struct output *output = &session->connection->output;
    const uint64_t most = worker->work.used + WORK_TURN;
    struct sync_batch batch = {0};
    enum piece piece = PIECE_MADE;
    buffer_append_slice(&batch.frames, buffer_slice(&change->amend));
    if (change->phase == COMPARING)
        piece = rights_change_compare(session, most, &batch);
    if (change->phase == READING_LOG)
        piece = read_log(session, most, &batch);
    sync_batch_finish(&batch);
    if (piece == PIECE_MADE)
        insert_piece(session, buffer_slice(&batch.frames));
    sync_batch_free(&batch);
    switch (piece) {
    case PIECE_MADE:
        if (change->phase != FOLDING)
            return;
        output_leave_backlog(output, worker->backlog);
        output_release(output, change->read_seq);
        return;
    case PIECE_LOST:
        rights_change_give_up(session);
        return;
    case PIECE_UNREADABLE:
        session_cut(session, "a document cannot be read");
        return;
    }
}

void rights_change_step(struct session *session)
{
    struct worker *worker = session->worker;
    if (session->rights_change->phase == FOLDING) {
        rights_change_end(session);
        return;
    }
    if (worker->rights_left > 0) { /* else others' copies had that share of this pass */
        if (!snapshot_take(worker))
            return;
        uint64_t before = worker->work.used;
        send_piece(session);
        uint64_t used = worker->work.used - before;
        worker->rights_left -= used < worker->rights_left ? used : worker->rights_left;
    }
    connection_queue(session->connection);
}
