#ifndef WORKER_METHODS_SEARCH_H
#define WORKER_METHODS_SEARCH_H

#include "worker/base/job.h"
#include "worker/methods/candidate.h"
#include "worker/rpc/transaction.h"

/*
 * A walk over the documents of a collection that match a query and that the caller may read, in steps of
 * bounded work: one ends inside a document where that is what it takes. What to do with each, and at the end,
 * is given by who starts it.
 */

enum search_verdict {
    SEARCH_ON,
    SEARCH_AGAIN,    /* by ->each: the turn is used up, and it is to be called again with the same document */
    SEARCH_ENOUGH,   /* no more documents are wanted: ->finish is called */
    SEARCH_ANSWERED, /* the transaction has been answered already: nothing more is called but ->release */
    SEARCH_FAILED    /* not said by ->each: a document cannot be read */
};

struct search {
    struct job job;
    struct transaction *transaction; /* NULL once answered */
    struct store_search *walk;
    uint64_t rights_serial;   /* of the rights the caller had at the start */
    struct json_query *query; /* NULL: every document; owned */
    bool parse;               /* candidates are parsed, also without a query */
    struct candidate candidate;
    bool matched;  /* the candidate: ->each is to be called again */
    uint64_t most; /* the present turn ends when so many units of work have been used in all */
    bool walked;   /* there are no more candidates, or no more are wanted */
    void *own;
    /* When the way of ->walk is known. False: the transaction has been answered. May be NULL. */
    bool (*started)(struct search *search);
    enum search_verdict (*each)(struct search *search, struct slice id, const struct store_record *record);
    /* After the last one, until it says SEARCH_ENOUGH: as much as can be done in the turn. May be NULL. */
    enum search_verdict (*conclude)(struct search *search);
    void (*finish)(struct search *search, struct transaction *transaction); /* answers */
    void (*release)(struct search *search);                                 /* frees ->own; may be NULL */
    size_t (*memory)(const struct search *search); /* bytes in ->own; NULL: next to nothing */
};

/** A search with the given query (compiled; taken over; NULL: all). Set the callbacks, then
 * search_start(). */
struct search *search_create(struct transaction *transaction, struct json_query *query);

/** Runs the first step at once, if there is work left for it in this pass. */
void search_start(struct search *search);

/** Compiles `query` of a call's data; absent is NULL. False: the call has been answered with `invalid`. */
[[gnu::warn_unused_result]] bool search_query(struct transaction *transaction, struct json_value query,
                                              struct json_query **out);

#endif
