#ifndef SHARED_STORE_ENVIRONMENT_H
#define SHARED_STORE_ENVIRONMENT_H

#include <lmdb.h>

#include "shared/store/store.h"
#include "shared/store/unreadable.h"

/*
 * What the files of this directory share: the open environment and its databases.
 *
 * - meta: "format"; "state": u64 epoch, seq, horizon, rights_seq; "runs" (history.h); "collection/NAME": u16
 *   number, declaration; "versions/NAME": u64 (version_floor.h); "rebuild/NAME" while that collection is
 *   being rebuilt; "results/SLOT"
 * - c/COLLECTION: id -> record (record.h)
 * - x/COLLECTION/FIELD: index key (keys.h) -> nothing
 * - log: seq, big-endian -> change (change_log.c)
 * - former_name: u16 number of the collection, name -> seq of its removal (former_name.h)
 * - former_owner: u16 number of the collection, id -> seq of its removal, owner (former_owner.h)
 * - once, once_expiry: hash -> answer; expiry, big-endian, and hash -> nothing (once.c)
 */

enum { STORE_STATE_BYTES = 32 };

struct store_index {
    struct slice field;
    bool unique;
    MDB_dbi dbi;
};

struct store_collection {
    const struct config_collection *config;
    uint16_t number; /* in the change log: stays when the configuration changes */
    MDB_dbi dbi;
    struct store_index *indexes; /* the unique ones first */
    size_t index_count;
};

struct store_state {
    uint64_t epoch; /* of the present run; 0: there was none yet */
    uint64_t seq, horizon, rights_seq;
};

struct store {
    const struct config *config;
    enum store_mode mode;
    const struct store_run *run; /* while it is opened; NULL: none begins */
    MDB_env *env;
    MDB_dbi meta, log, former_name, former_owner, once, once_expiry;
    struct store_collection *collections; /* as in the configuration */
    size_t collection_count;
    unsigned *by_number; /* place in ->collections, UINT_MAX: not declared */
    size_t number_count;
    MDB_txn *snapshot; /* kept and renewed */
    bool reading;      /* between store_begin() and store_end() */
    size_t state_of;   /* transaction that ->state was read in; 0: none */
    struct store_state state;
    struct writer *writer; /* write.h; NULL with STORE_READ */
    struct unreadable unreadable;
};

static inline MDB_val store_val(struct slice slice)
{
    return (MDB_val){slice.length, (void *)(uintptr_t)slice.data};
}

static inline struct slice store_slice(MDB_val val)
{
    return slice_of(val.mv_data, val.mv_size);
}

/** The protocol's code for an error of LMDB (not MDB_NOTFOUND); a line in the log unless the store is just
 * full. */
enum error_code store_error(const char *what, int rc);

/** The same for an error of writing: a full disk has several names. */
enum error_code store_write_error(struct store *store, const char *what, int rc);

/** Reads "state" in @txn. False: there is none, or it is damaged. */
[[gnu::warn_unused_result]] bool store_state_read(struct store *store, MDB_txn *txn,
                                                  struct store_state *state);
[[gnu::warn_unused_result]] int store_state_write(struct store *store, MDB_txn *txn,
                                                  const struct store_state *state);

/** Pages on LMDB's list of free ones. Counting stops when @enough were found, and somewhere when the list is
 * very long. */
uint64_t store_free_pages(struct store *store, uint64_t enough);

/* format.c */

/** Whether this program knows the store's format; STORE_WRITE gives one to a new store and brings an older
 *  one up to date, in @txn. */
[[gnu::warn_unused_result]] bool store_format_check(struct store *store, MDB_txn *txn,
                                                    char message[STORE_MESSAGE]);

/* databases.c */

/** Makes and checks what is stored about format and collections, rebuilds what must be, opens all
 * databases. */
[[gnu::warn_unused_result]] bool store_databases_open(struct store *store, char message[STORE_MESSAGE]);

/** Stores number and declaration of a collection. */
[[gnu::warn_unused_result]] int store_collection_record(struct store *store, MDB_txn *txn,
                                                        struct store_collection *collection);

/** The collection's declaration as it is now. */
struct slice store_declaration(const struct store_collection *collection);

/** The declaration that is stored of @collection; absent: none. */
[[gnu::warn_unused_result]] struct slice store_collection_declared(struct store *store, MDB_txn *txn,
                                                                   struct store_collection *collection);

/** The name under which something of @collection is stored in meta: "KIND/NAME", in @key. */
enum { META_KEY_MOST = 16 + COLLECTION_NAME_BYTES };
struct slice store_meta_key(char key[META_KEY_MOST], const char *kind,
                            const struct store_collection *collection);

/* rebuild.c */

/** Makes minimal documents, tags and indexes of a collection anew, in transactions of their own. A document
 *  that clients see in another way by that gets a new version, in the change log as any change. When the
 *  permissions to see the collection are others, the change log starts anew: what a client gains or loses
 *  by that is in no document. The indexes' databases must not be open. What is stopped on the way goes on at
 * the next opening (rebuild_mark.h). */
[[gnu::warn_unused_result]] bool store_rebuild(struct store *store, struct store_collection *collection,
                                               char message[STORE_MESSAGE]);

/** Opens (and makes, with MDB_CREATE in @flags) a named database; @name parts are joined with "/", NULL at
 * the end. */
[[gnu::warn_unused_result]] int store_dbi_open(MDB_txn *txn, unsigned flags, MDB_dbi *dbi, const char *kind,
                                               const char *collection, const char *field);

#endif
