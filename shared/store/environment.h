#ifndef SHARED_STORE_ENVIRONMENT_H
#define SHARED_STORE_ENVIRONMENT_H

#include <lmdb.h>

#include "shared/base/error_code.h"
#include "shared/base/slice.h"
#include "shared/store/store.h"
#include "shared/store/unreadable.h"

/*
 * What the files of this directory and of daemon/committer/store share: the open environment and its
 * databases.
 *
 * - meta: "format"; "state": u64 epoch, seq, horizon, rights_seq; "runs" (history.h); "collection/NAME": u16
 *   number, declaration; "versions/NAME": u64 (version_floor.h); "rebuild/NAME" while that collection is
 *   being rebuilt; "results/SLOT"
 * - c/COLLECTION: id -> record (record.h)
 * - x/COLLECTION/FIELD: index key (keys.h) -> nothing
 * - log: seq, big-endian -> change (change_log.h)
 * - former_name: u16 number of the collection, name -> seq of its removal (former_name.h)
 * - former_owner: u16 number of the collection, id -> seq of its removal, owner (former_owner.h)
 * - once, once_expiry: hash -> answer; expiry, big-endian, and hash -> nothing (store_once.h)
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

/** False, with the line for an opening that failed with an error of LMDB in @message. */
bool store_refuse(const struct store *store, const char *what, int rc, char message[STORE_MESSAGE]);

/** Reads "state" in @txn. False: there is none, or it is damaged. */
[[gnu::warn_unused_result]] bool store_state_read(struct store *store, MDB_txn *txn,
                                                  struct store_state *state);

/** Pages on LMDB's list of free ones. Counting stops when @enough were found, and somewhere when the list is
 * very long. */
uint64_t store_free_pages(struct store *store, uint64_t enough);

/** Whether the data directory is there, with these @rights (as of access(2)). False: @message says why. */
[[gnu::warn_unused_result]] bool store_directory_check(const struct config *config, int rights,
                                                       char message[STORE_MESSAGE]);

/** Opens the environment with @flags of mdb_env_open() besides those that all need, but no database of it.
 * store_close() closes it. NULL: @message says why. */
[[gnu::warn_unused_result]] struct store *store_environment_open(const struct config *config, unsigned flags,
                                                                 char message[STORE_MESSAGE]);

/** Puts into @message why an environment could not be opened, by the error of LMDB. */
void store_environment_explain(const struct config *config, int rc, char message[STORE_MESSAGE]);

#endif
