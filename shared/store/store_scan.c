#include "shared/store/store_scan.h"

#include "shared/store/environment.h"

void store_scan_start(struct store_scan *scan, unsigned collection, struct slice from, struct slice to)
{
    *scan = (struct store_scan){.collection = collection, .include_position = true};
    buffer_append_slice(&scan->position, from);
    buffer_append_slice(&scan->to, to);
}

void store_scan_resume(struct store *store, struct store_scan *scan)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(store->snapshot, store->collections[scan->collection].dbi, &cursor);
    if (rc) {
        store_unreadable(store, rc, "%s", store->collections[scan->collection].config->name);
        cursor = NULL;
    }
    scan->store = store;
    scan->cursor = cursor;
    scan->started = false;
}

/** The next entry for a cursor that stands nowhere yet: after the position, or at it. */
static int seek_position(struct store_scan *scan, MDB_val *key, MDB_val *value)
{
    if (scan->position.length == 0)
        return mdb_cursor_get(scan->cursor, key, value, MDB_FIRST);
    struct slice position = buffer_slice(&scan->position);
    if (position.length > STORE_ID_BYTES)
        position.length = STORE_ID_BYTES + 1; /* sorts the same among ids, and is a key that LMDB takes */
    *key = store_val(position);
    int rc = mdb_cursor_get(scan->cursor, key, value, MDB_SET_RANGE);
    if (!rc && !scan->include_position && slice_equal(store_slice(*key), position))
        rc = mdb_cursor_get(scan->cursor, key, value, MDB_NEXT);
    return rc;
}

/* The next step seeks from the position again, so it fails like this one. */
static enum store_step fail_scan(struct store_scan *scan)
{
    scan->started = false;
    return STORE_FAILED;
}

enum store_step store_scan_step(struct store_scan *scan, struct slice *id, struct store_record *record)
{
    if (!scan->cursor)
        return STORE_FAILED;
    MDB_val key, value;
    int rc = scan->started ? mdb_cursor_get(scan->cursor, &key, &value, MDB_NEXT)
                           : seek_position(scan, &key, &value);
    if (rc == MDB_NOTFOUND)
        return STORE_END;
    if (rc) {
        store_unreadable(scan->store, rc, "%s after \"%.*s\"",
                         scan->store->collections[scan->collection].config->name, (int)scan->position.length,
                         scan->position.length ? scan->position.data : "");
        return fail_scan(scan);
    }
    *id = store_slice(key);
    if (scan->to.length && slice_compare(*id, buffer_slice(&scan->to)) >= 0)
        return STORE_END;
    if (!record_read(store_slice(value), record)) {
        store_unreadable_document(scan->store, 0, scan->collection, *id);
        return fail_scan(scan);
    }
    scan->started = true;
    scan->include_position = false;
    buffer_clear(&scan->position);
    buffer_append_slice(&scan->position, *id);
    return STORE_STEP;
}

void store_scan_pause(struct store_scan *scan)
{
    if (scan->cursor)
        mdb_cursor_close(scan->cursor);
    scan->cursor = NULL;
    scan->started = false;
}

void store_scan_free(struct store_scan *scan)
{
    store_scan_pause(scan);
    buffer_free(&scan->position);
    buffer_free(&scan->to);
}
