#include "worker/methods/candidate.h"

/* What is held, together; and what a job keeps between its turns of the memory for parsing. */
enum { HELD_BYTES = 64 * 1024 * 1024, PARSED_KEPT = 256 * 1024 };

static size_t all_held;

void candidate_open(struct candidate *candidate, const struct json_query *query)
{
    candidate->matching = query ? json_matching_create(query) : NULL;
}

void candidate_free(struct candidate *candidate)
{
    candidate_let_go(candidate);
    json_matching_free(candidate->matching);
    json_free(&candidate->document);
    *candidate = (struct candidate){0};
}

bool candidate_room(void)
{
    return all_held < HELD_BYTES;
}

bool candidate_take(struct candidate *candidate, struct worker *worker, unsigned collection, struct slice id,
                    const struct store_record *record, bool parse)
{
    candidate->id = id;
    candidate->record = *record;
    if (!candidate->matching && !parse)
        return true;
    if (!store_record_parse(worker->store, collection, id, record, &candidate->document))
        return false;
    work_charge(&worker->work, work_parsed(record->full.length, candidate->document.count));
    if (candidate->matching)
        json_matching_begin(candidate->matching);
    return true;
}

static size_t parsed_bytes(const struct candidate *candidate)
{
    return candidate->document.capacity * sizeof *candidate->document.nodes;
}

void candidate_hold(struct candidate *candidate, struct work *work)
{
    if (candidate->held)
        return;
    buffer_append_slice(&candidate->own_id, candidate->id);
    buffer_append_slice(&candidate->text, candidate->record.full);
    candidate->id = buffer_slice(&candidate->own_id);
    candidate->record.tag = candidate->record.minimal = (struct slice){0};
    candidate->record.full = buffer_slice(&candidate->text);
    candidate->document.text = candidate->record.full.data;
    candidate->held_bytes = candidate->text.length + parsed_bytes(candidate);
    all_held += candidate->held_bytes;
    candidate->held = true;
    work_charge(work, work_bytes(candidate->text.length));
}

enum json_match candidate_match(struct candidate *candidate, struct work *work, uint64_t most)
{
    if (!candidate->matching)
        return JSON_MATCH_YES;
    uint64_t units = work->used < most ? most - work->used : 1;
    enum json_match match = json_matching_go_on(candidate->matching, json_root(&candidate->document), &units);
    work_charge(work, units);
    if (match == JSON_MATCH_MORE)
        candidate_hold(candidate, work);
    return match;
}

void candidate_let_go(struct candidate *candidate)
{
    all_held -= candidate->held_bytes;
    candidate->held_bytes = 0;
    candidate->held = false;
    buffer_free(&candidate->own_id);
    buffer_free(&candidate->text);
}

void candidate_pause(struct candidate *candidate)
{
    if (!candidate->held && parsed_bytes(candidate) > PARSED_KEPT)
        json_free(&candidate->document);
}
