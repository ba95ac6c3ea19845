#ifndef WORKER_DISPATCH_VIEWER_H
#define WORKER_DISPATCH_VIEWER_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/config/config.h"
#include "worker/dispatch/backlog.h"

/*
 * A viewer is one distinct set of rights to see: which collections, and, where documents have owners, as
 * which user and groups. Connections with the same rights share one viewer (they are interned), so what may
 * be seen is decided once for each viewer and frame, and remembered in a bit.
 */

struct viewer;

struct viewer_rights {
    bool collections[COLLECTION_LIMIT]; /* by index: may see and wants to (permission and subscription) */
    bool everything;            /* sees all documents regardless of owner (administrators, local control) */
    struct slice user;          /* id; absent or empty: nobody */
    const struct slice *groups; /* in any order */
    size_t group_count;
};

struct viewer_table; /* all viewers of this worker */
struct viewer_table *viewer_table_create(const struct config *config);
void viewer_table_free(struct viewer_table **table);

/** The viewer of these rights, with one more reference. */
struct viewer *viewer_get(struct viewer_table *table, const struct viewer_rights *rights);
/** One more reference to it. */
struct viewer *viewer_keep(struct viewer *viewer);
/** Gives a reference back. */
void viewer_put(struct viewer_table *table, struct viewer *viewer);

/** Whether a document with this access tag is one that clients of these rights hold: in the sync set and
 * readable. */
bool viewer_holds(const struct viewer *viewer, unsigned collection, struct slice tag);

/** Whether the document may be read by detail, find and count: like viewer_holds() without the sync set, and
 *  without regard to the subscription (the method's permission was checked by the caller). */
bool viewer_reads(const struct viewer *viewer, unsigned collection, struct slice tag);

/** Whether they may decide otherwise than @other about some document of the collection. */
bool viewer_differs(const struct viewer *viewer, const struct viewer *other, unsigned collection);

/** Whether these rights see the collection at all. */
bool viewer_sees_collection(const struct viewer *viewer, unsigned collection);

/** Whether frame @number goes to these rights: an update to those who hold the document after the change, a
 * remove to those who held it before and do not after. Decided once, then remembered while it is one of the
 * VIEWER_WINDOW newest that were asked for (a connection further behind costs the decision again). All
 * viewers of a table are asked about one backlog. */
bool viewer_sees(struct viewer *viewer, const struct backlog *backlog, uint64_t number);

enum { VIEWER_WINDOW = 1024, VIEWER_RUN_VECTORS = 32, VIEWER_RUN_BYTES = 64 * 1024 };

/** Frames that can be written together: those of first <= number < upto that the viewer sees, adjacent ones
 * merged. */
struct viewer_run {
    uint64_t first;
    uint64_t upto;   /* backlog_next(), or less when bytes (about VIEWER_RUN_BYTES) or vectors ran out */
    uint64_t frames; /* seen among them */
    size_t bytes;
    int count;
    struct iovec vectors[VIEWER_RUN_VECTORS];
};

/** The run that starts at frame @first (kept, or backlog_next(): then it is empty). Connections with the same
 * rights and the same cursor, which is most of them, share the work. Valid until the next call for any
 * viewer. */
const struct viewer_run *viewer_run(struct viewer *viewer, const struct backlog *backlog, uint64_t first);

#endif
