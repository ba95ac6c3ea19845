#ifndef WORKER_METHODS_FIND_SORT_H
#define WORKER_METHODS_FIND_SORT_H

#include "shared/json/json.h"
#include "worker/rpc/transaction.h"

/*
 * The `sort` of find: {"field": 1, "other.path": -1}, first key first; ties by _id. Only the documents that
 * can be in the answer (skip + limit, and one more) are kept while the search goes on, so memory is bounded
 * whatever matches.
 */

enum { SORT_FIELDS = 8, SORT_KEPT = 10001 };

struct find_sort;

/** Reads `sort` (absent or null: *out is NULL). @keep: documents that can be in the answer, and one. False:
 * answered with `invalid`. */
[[gnu::warn_unused_result]] bool find_sort_read(struct transaction *transaction, struct json_value sort,
                                                uint64_t keep, struct find_sort **out);

/** One match: @document is @full parsed. What is kept is copied. */
void find_sort_add(struct find_sort *sort, struct slice id, struct json_value document, struct slice full);

/** No more are added: puts them in order, in steps of about @units of work. False: there is more to do. */
[[gnu::warn_unused_result]] bool find_sort_finish(struct find_sort *sort, uint64_t units);

/** Then it gives them in order, each until the next is asked for. False at the end. */
[[gnu::warn_unused_result]] bool find_sort_next(struct find_sort *sort, struct slice *full);

/** Whether there were more matches than were kept: because they were more than @keep, or had too many
 * bytes. */
bool find_sort_cut(const struct find_sort *sort);

/** Memory that is kept. */
size_t find_sort_bytes(const struct find_sort *sort);

void find_sort_free(struct find_sort **sort);

#endif
