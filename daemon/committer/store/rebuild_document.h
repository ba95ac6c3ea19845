#ifndef DAEMON_COMMITTER_STORE_REBUILD_DOCUMENT_H
#define DAEMON_COMMITTER_STORE_REBUILD_DOCUMENT_H

#include "daemon/committer/store/write_open.h"
#include "shared/base/buffer.h"
#include "shared/json/json.h"
#include "shared/store/environment.h"
#include "shared/store/index.h"

/* A rebuild of a collection, rebuild.h, as the files that do it know it; and one document of it. */

struct rebuild {
    struct store *store;
    const struct store_run *run; /* NULL: none */
    struct store_collection *collection;
    struct store_state state; /* as the open transaction will leave it */
    MDB_cursor *log;          /* of the open transaction */
    struct buffer position;   /* the last document made anew */
    uint64_t done, documents; /* made anew; in all */
    size_t batch_keys;        /* put into indexes in the open transaction */
    bool stopped;             /* nobody wants it to go on now */
    uint64_t said_ms;         /* when the log last had how far it is */
    uint64_t say_after_ms;    /* the next time is so long after that: seldom, when it takes long */
    struct buffer tag, minimal, full, record, value;
    struct json document;
    struct index_keys keys;
    char *message;
};

/** Puts into ->message what the error of LMDB means for the rebuild. Returns false. */
bool rebuild_fail(struct rebuild *rebuild, int rc);

/** Makes the record at @cursor, and its entries in the indexes, as the declaration now wants them; a document
 * that clients see in another way by that gets a new version. Its id is in ->position then. False: ->message
 * says why. */
[[gnu::warn_unused_result]] bool rebuild_document(struct rebuild *rebuild, MDB_txn *txn, MDB_cursor *cursor,
                                                  MDB_val key, MDB_val value);

#endif
