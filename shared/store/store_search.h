#ifndef SHARED_STORE_STORE_SEARCH_H
#define SHARED_STORE_STORE_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/json/query.h"
#include "shared/store/record.h"
#include "shared/store/store.h"

/**
 * Candidates for a query, by the best declared index or a scan; every match of the query is among them, each
 * document at most once for each snapshot. Goes on in a later snapshot like a scan. The caller matches each
 * candidate (json_query_matches on ->full).
 */
struct store_search;
struct store_search *store_search_start(struct store *store, unsigned collection,
                                        const struct json_query *query);
/** Nothing in a document is looked at, whose tag @sees does not let pass: it is given as it is, for each of
 * its entries in the index. @argument stays the caller's. */
void store_search_limit(struct store_search *search, bool (*sees)(const void *argument, struct slice tag),
                        const void *argument);
/** Goes on behind @position, where an earlier search for the same query may have stood
 * (store_search_position()): any bytes, 1 to KEY_MOST of them. Before the first step. */
void store_search_after(struct store_search *search, struct slice position);
void store_search_resume(struct store *store, struct store_search *search);
[[gnu::warn_unused_result]] enum store_step store_search_step(struct store_search *search, struct slice *id,
                                                              struct store_record *record);
/** The same in steps of bounded work: *@units says how many units of about 25 ns it may take, and then how
 * many it took; a document that must be parsed to know whether it was given before counts. STORE_STEP with an
 * absent
 * @id: they are used up, and there may be more. */
[[gnu::warn_unused_result]] enum store_step store_search_some(struct store_search *search, struct slice *id,
                                                              struct store_record *record, uint64_t *units);
void store_search_pause(struct store_search *search);
/** The index that is used; NULL: a scan. "_id", and a scan, are in the order of ids. */
const char *store_search_index(const struct store_search *search);
/** Where the candidate that was given last stands: an id, or an index's key. Until the next step. */
struct slice store_search_position(const struct store_search *search);
void store_search_free(struct store_search *search);

#endif
