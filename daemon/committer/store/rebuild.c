#include "daemon/committer/store/rebuild.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/committer/store/change_log_write.h"
#include "daemon/committer/store/databases_write.h"
#include "daemon/committer/store/rebuild_document.h"
#include "daemon/committer/store/rebuild_mark.h"
#include "daemon/committer/store/state_write.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/json/compare.h"
#include "shared/json/json.h"
#include "shared/store/databases.h"
#include "shared/store/names.h"

/* Of one transaction, which bounds the pages that wait in memory for its end: documents, their bytes, keys in
 * indexes, each of which may be in a page of its own. */
enum { BATCH_DOCUMENTS = 2000, BATCH_BYTES = 8 * 1024 * 1024, BATCH_KEYS = 16384 };
enum { TRIM_LEAST = 64, SAY_FIRST_MS = 1000, SAY_LEAST_MS = 60000 };

/** After each transaction: whether the rebuild is wanted any further. */
static bool goes_on(struct rebuild *rebuild)
{
    const struct store_run *run = rebuild->run;
    if (run && run->may_go_on && !run->may_go_on(run->argument)) {
        snprintf(rebuild->message, STORE_MESSAGE, "the rebuild of the collection %s is stopped",
                 rebuild->collection->config->name);
        rebuild->stopped = true;
    }
    return !rebuild->stopped;
}

static void say_how_far(struct rebuild *rebuild)
{
    uint64_t now = clock_monotonic_ms();
    if (now - rebuild->said_ms < rebuild->say_after_ms)
        return;
    rebuild->said_ms = now;
    rebuild->say_after_ms =
        2 * rebuild->say_after_ms < SAY_LEAST_MS ? 2 * rebuild->say_after_ms : SAY_LEAST_MS;
    log_notice("store: the collection %s is rebuilt: %llu of %llu documents are done",
               rebuild->collection->config->name, (unsigned long long)rebuild->done,
               (unsigned long long)rebuild->documents);
}

/* ---- the old indexes ---- */

/** Drops one old index in a transaction of its own; MDB_NOTFOUND when there is none left. */
static int drop_index(struct rebuild *rebuild)
{
    char prefix[STORE_NAME_MOST], name[STORE_NAME_MOST];
    MDB_txn *txn;
    MDB_dbi dbi;
    int rc = mdb_txn_begin(rebuild->store->env, NULL, 0, &txn);
    if (rc)
        return rc;
    snprintf(prefix, sizeof prefix, "x/%s/", rebuild->collection->config->name);
    rc = store_name_next(txn, prefix, "", name);
    if (!rc)
        rc = mdb_dbi_open(txn, name, 0, &dbi);
    if (!rc)
        rc = mdb_drop(txn, dbi, 1);
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

static int commit_or_abort(MDB_txn *txn, int rc)
{
    if (!rc)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc;
}

/** Takes up what an earlier rebuild left, if it was of the same declaration. */
static int take_up(struct rebuild *rebuild, bool *taken_up)
{
    struct rebuild_mark mark;
    MDB_txn *txn;
    int rc = mdb_txn_begin(rebuild->store->env, NULL, MDB_RDONLY, &txn);
    if (rc)
        return rc;
    *taken_up = rebuild_mark_read(rebuild->store, txn, rebuild->collection, &mark);
    if (*taken_up) {
        rebuild->done = mark.done;
        buffer_append_slice(&rebuild->position, mark.position);
    }
    mdb_txn_abort(txn);
    return 0;
}

/** Says in the store that a rebuild is under way, and drops the old indexes. */
static int clear_ground(struct rebuild *rebuild)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(rebuild->store->env, NULL, 0, &txn);
    if (rc)
        return rc;
    rc = commit_or_abort(txn, rebuild_mark_put(rebuild->store, txn, rebuild->collection, NULL));
    while (!rc && goes_on(rebuild))
        rc = drop_index(rebuild);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int put_mark(struct rebuild *rebuild, MDB_txn *txn)
{
    struct rebuild_mark mark = {rebuild->done, buffer_slice(&rebuild->position)};
    return rebuild_mark_put(rebuild->store, txn, rebuild->collection, &mark);
}

/** Opens the new indexes, which are empty or an earlier rebuild's. */
static int open_ground(struct rebuild *rebuild)
{
    struct store_collection *collection = rebuild->collection;
    MDB_stat status;
    MDB_txn *txn;
    int rc = mdb_txn_begin(rebuild->store->env, NULL, 0, &txn);
    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < collection->index_count; i++)
        rc = store_dbi_open(txn, MDB_CREATE, &collection->indexes[i].dbi, "x", collection->config->name,
                            collection->indexes[i].field.data);
    if (!rc)
        rc = mdb_stat(txn, collection->dbi, &status);
    if (!rc)
        rc = put_mark(rebuild, txn);
    rc = commit_or_abort(txn, rc);
    if (!rc)
        rebuild->documents = status.ms_entries;
    return rc;
}

static int start_rebuild(struct rebuild *rebuild)
{
    bool taken_up;
    int rc = take_up(rebuild, &taken_up);
    if (!rc && !taken_up)
        rc = clear_ground(rebuild);
    if (!rc && !rebuild->stopped)
        rc = open_ground(rebuild);
    if (!rc && !rebuild->stopped)
        log_notice(
            "store: the declaration of the collection %s has changed: it is rebuilt, %llu of %llu documents "
            "are done",
            rebuild->collection->config->name, (unsigned long long)rebuild->done,
            (unsigned long long)rebuild->documents);
    return rc;
}

/* ---- all documents ---- */

/** Some documents after ->position; *@more: whether there may be others. */
static bool make_batch(struct rebuild *rebuild, MDB_txn *txn, bool *more)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, rebuild->collection->dbi, &cursor);
    if (rc)
        return rebuild_fail(rebuild, rc);
    struct slice position = buffer_slice(&rebuild->position);
    MDB_val key = store_val(position), value;
    rc = mdb_cursor_get(cursor, &key, &value, position.length ? MDB_SET_RANGE : MDB_FIRST);
    if (!rc && position.length && slice_equal(store_slice(key), position))
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    size_t bytes = 0;
    bool good = true;
    rebuild->batch_keys = 0;
    for (unsigned i = 0;
         good && !rc && i < BATCH_DOCUMENTS && bytes < BATCH_BYTES && rebuild->batch_keys < BATCH_KEYS; i++) {
        bytes += value.mv_size;
        good = rebuild_document(rebuild, txn, cursor, key, value);
        rebuild->done += good;
        if (good)
            rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    *more = !rc;
    return good && rc && rc != MDB_NOTFOUND ? rebuild_fail(rebuild, rc) : good;
}

static bool same_member(struct json_value a, struct json_value b, struct slice key)
{
    a = json_member(a, key);
    b = json_member(b, key);
    return a.json && b.json ? json_equal(a, b) : a.json == b.json;
}

/** Whether the permissions to see the collection are those of its stored declaration. */
static bool same_readers(struct rebuild *rebuild, MDB_txn *txn)
{
    struct json before = {0}, now = {0};
    struct slice stored = databases_declaration(rebuild->store, txn, rebuild->collection);
    const char *text = rebuild->collection->config->declaration;
    struct slice declared = slice_text(text ? text : "{}");
    bool same = json_parse(&before, stored.length ? stored.data : "{}", stored.length ? stored.length : 2) &&
                json_parse(&now, declared.data, declared.length) &&
                same_member(json_root(&before), json_root(&now), SLICE("read")) &&
                same_member(json_root(&before), json_root(&now), SLICE("sync"));
    json_free(&before);
    json_free(&now);
    return same;
}

/** The last transaction: what is stored is now as declared. */
static int finish_rebuild(struct rebuild *rebuild, MDB_txn *txn)
{
    struct store *store = rebuild->store;
    bool same = same_readers(rebuild, txn);
    int rc = databases_record_collection(store, txn, rebuild->collection);
    if (!rc)
        rc = rebuild_mark_remove(store, txn, rebuild->collection);
    if (!rc && !same)
        rc = change_log_restart(store, txn, &rebuild->state);
    return rc;
}

/** One transaction's part: some documents, the state after them. */
static bool make_part(struct rebuild *rebuild, MDB_txn *txn, bool *more)
{
    struct store *store = rebuild->store;
    if (!store_state_read(store, txn, &rebuild->state))
        return rebuild_fail(rebuild, MDB_CORRUPTED);
    uint64_t seq = rebuild->state.seq;
    int rc = mdb_cursor_open(txn, store->log, &rebuild->log);
    if (rc)
        return rebuild_fail(rebuild, rc);
    bool good = make_batch(rebuild, txn, more);
    mdb_cursor_close(rebuild->log);
    if (!good)
        return false;
    rc = change_log_trim(store, txn, &rebuild->state, TRIM_LEAST + 2 * (rebuild->state.seq - seq));
    if (!rc)
        rc = *more ? put_mark(rebuild, txn) : finish_rebuild(rebuild, txn);
    if (!rc)
        rc = state_write(store, txn, &rebuild->state);
    return rc ? rebuild_fail(rebuild, rc) : true;
}

static bool make_all(struct rebuild *rebuild)
{
    int rc = start_rebuild(rebuild);
    if (rc)
        return rebuild_fail(rebuild, rc);
    for (bool more = true; more;) {
        MDB_txn *txn;
        if (!goes_on(rebuild))
            return false;
        rc = mdb_txn_begin(rebuild->store->env, NULL, 0, &txn);
        if (rc)
            return rebuild_fail(rebuild, rc);
        if (!make_part(rebuild, txn, &more)) {
            mdb_txn_abort(txn);
            return false;
        }
        rc = mdb_txn_commit(txn);
        if (rc)
            return rebuild_fail(rebuild, rc);
        say_how_far(rebuild);
    }
    log_notice("store: the collection %s is rebuilt", rebuild->collection->config->name);
    return true;
}

bool rebuild_collection(struct store *store, const struct store_run *run, struct store_collection *collection,
                        char message[STORE_MESSAGE])
{
    struct rebuild rebuild = {.store = store,
                              .run = run,
                              .collection = collection,
                              .message = message,
                              .said_ms = clock_monotonic_ms(),
                              .say_after_ms = SAY_FIRST_MS};
    bool good = make_all(&rebuild);
    struct buffer *buffers[] = {&rebuild.position, &rebuild.tag,    &rebuild.minimal,
                                &rebuild.full,     &rebuild.record, &rebuild.value};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
        buffer_free(buffers[i]);
    json_free(&rebuild.document);
    index_keys_free(&rebuild.keys);
    return good;
}
