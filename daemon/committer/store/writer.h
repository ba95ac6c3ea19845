#ifndef DAEMON_COMMITTER_STORE_WRITER_H
#define DAEMON_COMMITTER_STORE_WRITER_H

#include "daemon/committer/store/arena.h"
#include "daemon/committer/store/room.h"
#include "daemon/committer/store/staging.h"
#include "daemon/committer/store/version_floor.h"
#include "shared/store/change_set.h"
#include "shared/store/environment.h"
#include "shared/store/index.h"
#include "shared/store/record.h"

struct principals;
struct rights;

/* What the files that write share: the open transaction, and the change set that is being applied in it. */

/** An index entry that a change makes or removes. */
struct staged_key {
    struct staged_key *next;
    MDB_dbi dbi;
    bool added;
    struct slice value;
};

/** One change, checked and made, not yet put. In the arena. */
struct staged {
    unsigned collection;
    bool removed;
    uint64_t seq;
    struct slice id;
    struct slice bytes;         /* the record's */
    struct store_record record; /* into ->bytes; when removed: just the version that was there */
    bool took_over;             /* has the name of a user or group that was removed */
    bool disowned;              /* removed by somebody who could not have made it their own */
    struct slice former_owner;  /* then: whose it was; empty: nobody's */
    struct slice tag_before;
    uint64_t tag_seq_before; /* store_log_entry's */
    struct slice before;     /* store_log_entry.before */
    struct staged_key *keys;
};

/** What an operation did, for the answer. */
enum outcome_kind {
    OUTCOME_NONE,
    OUTCOME_INSERTED,
    OUTCOME_CHANGED,
    OUTCOME_SAME,
    OUTCOME_REMOVED,
    OUTCOME_MISSING
};

struct outcome {
    enum outcome_kind kind;
    bool replace;
    struct slice id; /* into the set */
    uint64_t version;
};

/** Who acts in the operations of a set. All zero: nobody is named, all rights. */
struct actor {
    bool acts;
    struct slice user;           /* into the set */
    const struct rights *rights; /* as they are at its place in the order; principal.h */
};

struct writer {
    struct store *store; /* its own */
    MDB_txn *txn;
    /* Of the transaction, NULL until asked for: a cursor that has looked an id up stands where its record is
     * to be put, and the log's stands at its end, so that the way there is not searched again. */
    MDB_cursor **cursors; /* by collection */
    MDB_cursor *log_cursor;
    bool spoilt;              /* LMDB failed in it: only aborting is left */
    struct store_state state; /* as it will be committed */
    struct store_state before;
    uint64_t now_ms;
    struct room room;
    bool clears;                  /* a CHANGE_CLEAR was applied in the transaction */
    MDB_dbi cleared;              /* and this database opened for it; 0: none is open */
    struct version_floor *floors; /* by collection */
    struct principals *principals;
    struct arena arena; /* of the transaction */
    struct applied_change *changes;
    size_t change_count, change_capacity;

    uint64_t work; /* units that were charged in the transaction, for failed sets too */

    /* of the set */
    struct actor actor;
    struct change_bounds bounds;
    uint64_t set_work; /* units it was charged */
    struct staged **staged;
    size_t staged_count, staged_capacity;
    struct outcome *outcomes;
    size_t outcome_count, outcome_capacity;
    struct staging documents; /* collection, id -> struct staged, the newest */
    struct staging uniques;   /* database, value -> struct slice, the holder's id, absent when it was freed */

    /* working memory */
    struct buffer patched, text, minimal, tag, record, scratch;
    struct json body, old, next;
    struct index_keys old_keys, new_keys;
};

/** The writer of a store that was opened for writing; @store becomes its own. Ends the process when its
 * state cannot be read. */
struct writer *writer_new(struct store *store);

/** All of it but the store. */
void writer_free(struct writer *writer);

/** store_error() for an error of writing: a full disk has several names. */
enum error_code writer_error(struct writer *writer, const char *what, int rc);

/** The cursor kept in @cursor, opened when it is not yet. An error of LMDB. */
[[gnu::warn_unused_result]] int writer_cursor(struct writer *writer, MDB_cursor **cursor, MDB_dbi dbi);

/** Before something else deletes in the cursor's database. */
void writer_cursor_close(MDB_cursor **cursor);

#endif
