#ifndef WORKER_OUTPUT_VIEWER_H
#define WORKER_OUTPUT_VIEWER_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/slice.h"
#include "shared/config/config.h"

/*
 * A viewer is one distinct set of rights to see: which collections, and, where documents have owners, as
 * which user and groups. Connections with the same rights share one viewer (they are interned), so what they
 * see of the backlog is decided once (sight.h).
 */

struct viewer;
struct sight;

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

/** Tells it from all others of its table, also from those that are gone. */
uint64_t viewer_serial(const struct viewer *viewer);

/** What is remembered of what the viewers of its table see (sight.h). */
struct sight *viewer_sight(const struct viewer *viewer);

#endif
