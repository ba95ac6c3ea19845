#ifndef WORKER_LARGER_DOCUMENTS_H
#define WORKER_LARGER_DOCUMENTS_H

#include "worker/base/worker.h"

/** Counts, as a job beside all else, the documents that are larger than limits.document_bytes, which were stored
 * before it was lowered; the log says how many there are in which collection, if any. */
void larger_documents_count(struct worker *worker);

#endif
