#include "worker/dispatch/rights_change.h"

#include <stdlib.h>

#include "shared/ipc/change_frame.h"
#include "shared/memory.h"
#include "shared/store/access_tag.h"
#include "worker/dispatch/log_walk.h"
#include "worker/dispatch/rights_difference.h"

/* In one step: documents compared, entries of the log, bytes sent. */
enum { STEP_DOCUMENTS = 4096, STEP_ENTRIES = 4096, STEP_BYTES = 64 * 1024 };

enum phase {
    COMPARING,   /* documents */
    READING_LOG, /* for what had another tag at the hold */
    FOLDING,     /* the output catches up from the log */
    GIVEN_UP     /* it cannot be told what the client holds: it must sync */
};

struct rights_change {
    struct rights_difference difference;
    struct buffer amend; /* to go in front; empty: it is out */
    enum phase phase;
    bool compared;     /* some documents were, with the present rights */
    uint64_t log_seq;  /* READING_LOG has come up to here */
    uint64_t read_seq; /* the present rights are those of a snapshot that ended here */
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

/* What is queued may be pieces of a sync that need changes in front of them that are not out yet: then nobody
 * knows what the copy is like in between. */
static struct rights_change *open_change(struct session *session, struct viewer *now)
{
    struct output *output = &session->connection->output;
    struct rights_change *change = memory_zeroed(1, sizeof *change);
    session->rights_change = change;
    output_hold(output, session->worker->backlog, session->synced_seq);
    if (session->synced_seq > output_seq(output, session->worker->backlog))
        change->phase = GIVEN_UP;
    rights_difference_open(&change->difference, viewer_keep(now), output->hold_seq);
    return change;
}

void rights_change_begin(struct session *session, struct viewer *now, struct slice amend)
{
    struct worker *worker = session->worker;
    struct output *output = &session->connection->output;
    struct rights_change *change = session->rights_change;
    if (change && change->phase == FOLDING) { /* the copy is in line, if not up to date */
        rights_change_end(session);
        change = NULL;
    }
    if (!change) {
        change = open_change(session, now);
    } else {
        rights_difference_turn(&change->difference, worker->viewers, viewer_keep(now));
        change->phase = change->phase == GIVEN_UP ? GIVEN_UP : COMPARING;
    }
    buffer_clear(&change->amend); /* the newest says it all */
    buffer_append_slice(&change->amend, amend);
    /* Rights with which nothing was compared and sent have left no trace in the copy. */
    bool left_trace = change->difference.former_count == 0 || change->compared;
    struct former former = {.from = change->read_seq, .to = output->hold_seq};
    change->compared = false;
    change->read_seq = store_seq(worker->store);
    if (left_trace) {
        former.viewer = viewer_keep(output->viewer);
        if (!rights_difference_add(&change->difference, worker->viewers, former))
            change->phase = GIVEN_UP;
    }
    use_viewer(session, now);
    connection_queue(session->connection);
}

/* Of what was just added nothing is held, and nothing of what was left out is taken away. */
void rights_change_subscribed(struct session *session, struct viewer *now, const bool *was)
{
    struct rights_difference *difference = &session->rights_change->difference;
    struct viewer_table *viewers = session->worker->viewers;
    bool collections[COLLECTION_LIMIT] = {false};
    for (size_t i = 0; i < difference->former_count; i++) {
        struct viewer *former = difference->formers[i].viewer;
        for (unsigned c = 0; c < session->worker->config->collection_count; c++) {
            bool always = session->worker->config->collections[c].internal; /* settings, if anything */
            bool wanted = always || !session->subscribed || session->subscribed[c];
            bool wanted_before = always || !was || was[c];
            collections[c] = wanted && viewer_sees_collection(wanted_before ? former : now, c);
        }
        difference->formers[i].viewer = viewer_get_like(viewers, former, collections);
        viewer_put(viewers, former);
    }
    rights_difference_turn(difference, viewers, viewer_keep(now));
    if (session->rights_change->phase == READING_LOG)
        session->rights_change->phase = COMPARING;
    use_viewer(session, now);
}

/* The present rights leave a trace in the copy: by the refusal, which goes out behind the replies that are
 * queued, and must do so in front of what later rights give back. */
void rights_change_refused(struct session *session)
{
    struct rights_change *change = session->rights_change;
    const struct output *output = &session->connection->output;
    uint64_t place = output->last ? output->last->after_seq : 0;
    if (place > session->synced_seq)
        session->synced_seq = place;
    if (change && place > output->hold_seq)
        change->phase = GIVEN_UP;
    else if (change)
        change->compared = true;
}

/* A document that got another tag since the hold: with the one before, former rights may have let it be held.
 */
static void compare_entry(struct session *session, const struct store_log_entry *entry,
                          struct sync_batch *batch)
{
    const struct rights_change *change = session->rights_change;
    const struct config *config = session->worker->config;
    struct store_record record;
    if (entry->collection >= config->collection_count ||
        access_tag_same_sight(entry->tag_before, entry->tag_after) ||
        !rights_difference_held(&change->difference, entry->collection, entry->tag_before,
                                entry->tag_seq_before, entry->seq))
        return;
    if (store_get(session->worker->store, entry->collection, entry->id, &record) != ERROR_NONE ||
        !viewer_holds(change->difference.now, entry->collection, record.tag))
        sync_batch_remove(batch, &config->collections[entry->collection], entry->id);
}

static void read_log(struct session *session, struct sync_batch *batch)
{
    struct worker *worker = session->worker;
    struct rights_change *change = session->rights_change;
    struct store_log_entry entry;
    if (change->log_seq < store_log_horizon(worker->store)) {
        change->phase = GIVEN_UP;
        return;
    }
    for (unsigned i = 0; i < STEP_ENTRIES && worker->walk_documents && sync_batch_bytes(batch) < STEP_BYTES;
         i++) {
        worker->walk_documents--;
        if (!store_log_next(worker->store, change->log_seq, &entry)) {
            change->phase = FOLDING;
            return;
        }
        change->log_seq = entry.seq;
        compare_entry(session, &entry, batch);
    }
}

static void compare_documents(struct session *session, struct sync_batch *batch)
{
    struct worker *worker = session->worker;
    struct rights_change *change = session->rights_change;
    unsigned given = worker->walk_documents < STEP_DOCUMENTS ? worker->walk_documents : STEP_DOCUMENTS;
    unsigned documents = given;
    change->compared = true;
    if (rights_difference_walk(worker, &change->difference, &documents, batch, STEP_BYTES)) {
        change->phase = READING_LOG;
        change->log_seq = change->difference.seq;
    }
    worker->walk_documents -= given - documents;
}

static void send_piece(struct session *session)
{
    struct worker *worker = session->worker;
    struct rights_change *change = session->rights_change;
    struct output *output = &session->connection->output;
    struct sync_batch batch = {0};
    buffer_append_slice(&batch.frames, buffer_slice(&change->amend));
    buffer_free(&change->amend);
    if (change->phase == COMPARING)
        compare_documents(session, &batch);
    if (change->phase == READING_LOG)
        read_log(session, &batch);
    sync_batch_finish(&batch);
    output_insert(output, buffer_slice(&batch.frames));
    sync_batch_free(&batch);
    if (change->phase == FOLDING) {
        output_leave_backlog(output, worker->backlog);
        output_release(output, change->read_seq);
    }
}

static void tell_resync(struct session *session)
{
    struct rights_change *change = session->rights_change;
    change_frame_text(&change->amend, SLICE("{\"operation\":\"resync\",\"collectionName\":null,"
                                            "\"data\":{\"reason\":\"Your rights have changed\"}}"));
    output_insert(&session->connection->output, buffer_slice(&change->amend));
    rights_change_end(session);
}

void rights_change_step(struct session *session)
{
    struct worker *worker = session->worker;
    switch (session->rights_change->phase) {
    case COMPARING:
    case READING_LOG:
        if (worker->walk_documents == 0) /* others' documents were compared in this pass */
            break;
        if (!worker_snapshot(worker))
            return;
        send_piece(session);
        break;
    case FOLDING:
        rights_change_end(session);
        return;
    case GIVEN_UP:
        tell_resync(session);
        return;
    }
    connection_queue(session->connection);
}
