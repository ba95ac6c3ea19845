#ifndef WORKER_METHODS_FIND_SORT_H
#define WORKER_METHODS_FIND_SORT_H

#include "worker/methods/sort_keys.h"

/*
 * The sorted documents of a find: by their keys, the first one first; ties by _id. Only those that can be in
 * the answer (skip + limit, and one more) are kept while the search goes on, and of these no more than there
 * are bytes for, but one at least: so memory is bounded whatever matches, and there is always a first one.
 */

enum { SORT_DOCUMENTS = 10000 }; /* skip + limit */

struct find_sort;

/** @order must live longer. @keep: documents that can be in the answer, and one; @bytes: that they may take.
 * @all_bytes: those that all sorts of the worker take are counted there, and bounded. @work: charged; may be
 * NULL. */
[[gnu::warn_unused_result]] struct find_sort *find_sort_create(const struct sort_order *order,
                                                               struct work *work, size_t keep, size_t bytes,
                                                               size_t *all_bytes);

/** Only what comes after a document with these @keys and this @id is kept; both are the caller's, and live
 * longer. */
void find_sort_after(struct find_sort *sort, const struct sort_key *keys, struct slice id);

/** One match, whose keys are @keys. What is kept is copied. */
void find_sort_add(struct find_sort *sort, struct slice id, const struct sort_key *keys, struct slice full);

/** No more are added: puts them in order, in steps of about @units of work. False: there is more to do. */
[[gnu::warn_unused_result]] bool find_sort_finish(struct find_sort *sort, uint64_t units);

struct find_sorted {
    struct slice full, id; /* ->full until find_sort_given() or the next one, ->id until the one after that */
    const struct sort_key *keys; /* as ->id */
};

/** Then it gives them in order. False at the end. */
[[gnu::warn_unused_result]] bool find_sort_next(struct find_sort *sort, struct find_sorted *out);

/** The text of the last one is not needed any more. */
void find_sort_given(struct find_sort *sort);

/** Whether there were more matches than were kept: because they were more than @keep, or had too many
 * bytes. */
bool find_sort_cut(const struct find_sort *sort);

/** Memory that is kept, and for how many documents. */
size_t find_sort_bytes(const struct find_sort *sort);
size_t find_sort_documents(const struct find_sort *sort);

void find_sort_free(struct find_sort **sort);

#endif
