#ifndef WORKER_METHODS_CANDIDATE_H
#define WORKER_METHODS_CANDIDATE_H

#include "shared/json/query.h"
#include "worker/base/worker.h"

/*
 * A document that a job looks at: whether it matches a query. That may take several turns of the job, of
 * which each has another snapshot; the candidate then is a copy. What all jobs hold in this way is bounded.
 */
struct candidate {
    struct json_matching *matching; /* NULL: every document matches */
    struct json document;           /* parsed, when there is a query or it was asked for */
    struct json_parsing *parsing;   /* while that goes on; NULL: it does not */
    struct worker *worker;
    unsigned collection;
    struct slice id;
    struct store_record record; /* in the snapshot, or a copy of its version and ->full */
    bool held;                  /* it is one */
    bool unreadable; /* the document, as was found out when it was parsed: nothing is known of it */
    struct buffer own_id, text;
    size_t held_bytes;
};

/** Zeroed before. @query (NULL: none) must live longer. */
void candidate_open(struct candidate *candidate, const struct json_query *query);
void candidate_free(struct candidate *candidate);

/** Whether another document may be looked at: else those that hold one go on first. */
[[nodiscard]] bool candidate_room(const struct worker *worker);

/** The next document; it is parsed if there is a query, or @parse: a large one when it is asked whether it
 * matches. */
void candidate_take(struct candidate *candidate, struct worker *worker, unsigned collection, struct slice id,
                    const struct store_record *record, bool parse);

/** Whether it matches, as far as is found out until @most units of work have been used in all (a little, at
 * least). JSON_MATCH_MORE: it is held; ask again in a later turn. JSON_MATCH_NO: or it is ->unreadable. */
[[gnu::warn_unused_result]] enum json_match candidate_match(struct candidate *candidate, struct work *work,
                                                            uint64_t most);

/** It goes on being looked at in a later turn: it becomes a copy, if it is none yet. */
void candidate_hold(struct candidate *candidate, struct work *work);

/** No more is asked about it. */
void candidate_let_go(struct candidate *candidate);

/** A turn ends: memory for large documents is not kept for the next one. */
void candidate_pause(struct candidate *candidate);

#endif
