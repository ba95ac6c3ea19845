#include "worker/methods/candidate.h"

/* What is held, together; and what a job keeps between its turns of the memory for parsing. What is larger is
 * parsed in steps. */
enum { HELD_BYTES = 64 * 1024 * 1024, PARSED_KEPT = 256 * 1024, LARGE_BYTES = 16 * 1024 };

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

bool candidate_room(const struct worker *worker)
{
    return worker->candidates_held < HELD_BYTES;
}

/* It is parsed, as a whole. Says in the log what cannot be. */
static void parse_at_once(struct candidate *candidate)
{
    struct worker *worker = candidate->worker;
    const struct store_record *record = &candidate->record;
    struct json *document = &candidate->document;
    candidate->unreadable =
        !json_parse_again(document, record->full.data, record->full.length) &&
        !store_record_parse(worker->store, candidate->collection, candidate->id, record, document);
    work_charge(&worker->work, work_parsed(record->full.length, document->count));
}

void candidate_take(struct candidate *candidate, struct worker *worker, unsigned collection, struct slice id,
                    const struct store_record *record, bool parse)
{
    candidate->worker = worker;
    candidate->collection = collection;
    candidate->id = id;
    candidate->record = *record;
    candidate->unreadable = false;
    if (!candidate->matching && !parse)
        return;
    if (candidate->matching)
        json_matching_begin(candidate->matching);
    if (record->full.length <= LARGE_BYTES)
        parse_at_once(candidate);
    else
        candidate->parsing = json_parsing_create(&candidate->document, record->full, true);
}

static size_t parsed_bytes(const struct candidate *candidate)
{
    return candidate->document.capacity * sizeof *candidate->document.nodes;
}

/* While it is parsed it grows. */
static void count_held(struct candidate *candidate)
{
    size_t bytes = candidate->text.length + parsed_bytes(candidate);
    candidate->worker->candidates_held += bytes - candidate->held_bytes;
    candidate->held_bytes = bytes;
}

void candidate_hold(struct candidate *candidate, struct work *work)
{
    if (candidate->held) {
        count_held(candidate);
        return;
    }
    buffer_append_slice(&candidate->own_id, candidate->id);
    buffer_append_slice(&candidate->text, candidate->record.full);
    candidate->id = buffer_slice(&candidate->own_id);
    candidate->record.tag = candidate->record.minimal = (struct slice){0};
    candidate->record.full = buffer_slice(&candidate->text);
    candidate->document.text = candidate->record.full.data;
    count_held(candidate);
    candidate->held = true;
    work_charge(work, work_bytes(candidate->text.length));
}

/* Goes on with parsing. True: it has come to its end. */
static bool parse_some(struct candidate *candidate, struct work *work, uint64_t most)
{
    uint64_t units = work->used < most ? most - work->used : 1;
    enum json_parsed parsed = json_parsing_go_on(candidate->parsing, &units);
    work_charge(work, units);
    if (parsed == JSON_PARSED_MORE)
        return false;
    json_parsing_free(&candidate->parsing);
    if (parsed == JSON_PARSED_NOT)
        parse_at_once(candidate);
    return true;
}

enum json_match candidate_match(struct candidate *candidate, struct work *work, uint64_t most)
{
    /* When to read it was a turn, what comes of it is another. */
    if (candidate->parsing && (!parse_some(candidate, work, most) || work->used >= most)) {
        candidate_hold(candidate, work);
        return JSON_MATCH_MORE;
    }
    if (candidate->unreadable)
        return JSON_MATCH_NO;
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
    json_parsing_free(&candidate->parsing);
    if (candidate->held_bytes)
        candidate->worker->candidates_held -= candidate->held_bytes;
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
