#ifndef CLIENT_CTL_BATCH_H
#define CLIENT_CTL_BATCH_H

#include "shared/json/json.h"

/*
 * One call of COLLECTION.import: the documents of some lines, gathered into the call's data. A batch is
 * stored as a whole or not at all.
 */

/* The message of a batch stays within the server's limit of 1 MiB, the rest of the call included. A larger
   document goes alone: over the control socket larger messages are taken. */
enum { BATCH_DOCUMENTS = 1000, BATCH_BYTES = (1 << 20) - 1024 };

struct batch {
    struct buffer data; /* {"documents":[...  */
    uint64_t *lines;    /* the line of each document, BATCH_DOCUMENTS of them */
    size_t count;
    uint64_t tid; /* 0: not on its way */
};

/** Forgets the documents; keeps the memory. */
void batch_begin(struct batch *batch);

/** Whether @document (its text) may go into the batch; an empty one takes any. */
bool batch_fits(const struct batch *batch, struct slice document);

/** Adds the document that stands on @line. It must fit. */
void batch_add(struct batch *batch, struct json_value document, uint64_t line);

/** Completes the data of the call and returns it. */
struct slice batch_finish(struct batch *batch, bool replace);

/** The line of the document with this index; that of the first when there is no such index. */
uint64_t batch_line(const struct batch *batch, int64_t index);

void batch_free(struct batch *batch);

#endif
