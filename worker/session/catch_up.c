#include "worker/session/catch_up.h"

#include "shared/base/log.h"
#include "shared/ipc/change_frame.h"
#include "shared/store/change_log.h"
#include "worker/base/snapshot.h"
#include "worker/history/missed_changes.h"
#include "worker/net/connection_pings.h"
#include "worker/net/connection_write.h"
#include "worker/session/rights_change.h"

/* An entry of the log is looked up, and so is the document it is about. */
enum { REFILL_BYTES = 64 * 1024, REFILL_ENTRIES = 512, ENTRY_WORK = 2 * WORK_LOOKUP };

/* False: it concerns the client, and cannot be read. */
static bool append_change(struct worker *worker, const struct viewer *viewer,
                          const struct missed_change *change, bool removals, struct buffer *frames)
{
    const struct store_log_entry *entry = &change->entry;
    if (!viewer || entry->collection >= worker->config->collection_count)
        return true;
    struct slice name = slice_text(worker->config->collections[entry->collection].name);
    bool holds = viewer_holds(viewer, entry->collection, entry->tag_after);
    if (change->unknown && holds)
        return false;
    if (change->update && holds)
        missed_change_append_update(frames, worker, change);
    else if (removals && change->remove && !holds &&
             viewer_holds(viewer, entry->collection, entry->tag_before))
        change_frame_remove(frames, name, entry->id, entry->seq);
    return true;
}

static void give_refill(struct connection *connection, uint64_t folded_seq, struct buffer *frames,
                        uint64_t seq)
{
    struct buffer all = {0};
    if (folded_seq)
        connection_unsettle(connection, folded_seq, &all);
    buffer_append_slice(&all, buffer_slice(frames));
    output_refill(&connection->output, buffer_slice(&all), seq);
    buffer_free(&all);
}

/* How many entries one connection may have looked at: what is left of the pass is for all. */
static unsigned entries_most(const struct worker *worker)
{
    uint64_t affordable = worker->work.left / ENTRY_WORK + 1;
    return affordable < REFILL_ENTRIES ? (unsigned)affordable : REFILL_ENTRIES;
}

void catch_up_refill(struct worker *worker, struct connection *connection)
{
    struct output *output = &connection->output;
    if (output_rejoin(output, worker->backlog))
        return;
    if (!snapshot_take(worker))
        return;
    struct buffer frames = {0};
    struct missed_change change;
    uint64_t before = output->caught_up_seq, seq = before;
    uint64_t most =
        output_refill_most(output, worker->backlog); /* a waiting reply has its place after this */
    bool removals = !rights_change_folds(connection->owner);
    const unsigned most_entries = entries_most(worker);
    unsigned entries = most_entries;
    enum missed_changes_result result = MISSED_CHANGES_NEXT;
    bool known = true;
    uint64_t folded_seq = 0;
    while (known && result == MISSED_CHANGES_NEXT && seq < most && entries && frames.length < REFILL_BYTES) {
        result = missed_changes_next(worker, &seq, &entries, &change);
        if (result == MISSED_CHANGES_NEXT && seq <= most)
            known = append_change(worker, output->viewer, &change, removals, &frames);
        if (change.folded_seq > folded_seq)
            folded_seq = change.folded_seq;
    }
    work_charge(&worker->work, (most_entries - entries) * ENTRY_WORK + work_bytes(frames.length));
    if (!known)
        session_cut(connection->owner, "a change cannot be read");
    else if (result == MISSED_CHANGES_UNKNOWN)
        session_resync(connection->owner, "Too many changes were missed", 0);
    else
        give_refill(connection, folded_seq, &frames, seq < most ? seq : most);
    buffer_free(&frames);
    /* Nothing of this piece was for the client, and there is more: it is asked again in the next pass. */
    if (!output_rejoin(output, worker->backlog) && output_wants_refill(output) &&
        output->caught_up_seq > before)
        connection_queue(connection);
}
