#include "shared/store/environment.h"

#include "shared/log.h"
#include "shared/store/record.h"

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
        store_error("a scan cannot go on", rc);
        cursor = NULL;
    }
    scan->cursor = cursor;
    scan->started = false;
}

/** The next entry for a cursor that stands nowhere yet: behind the position, or at it. */
static int seek(struct store_scan *scan, MDB_val *key, MDB_val *value)
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

bool store_scan_step(struct store_scan *scan, struct slice *id, struct store_record *record)
{
    if (!scan->cursor)
        return false;
    MDB_val key, value;
    int rc = scan->started ? mdb_cursor_get(scan->cursor, &key, &value, MDB_NEXT) : seek(scan, &key, &value);
    if (rc == MDB_NOTFOUND)
        return false;
    if (rc) {
        store_error("a scan cannot go on", rc);
        return false;
    }
    *id = store_slice(key);
    if (scan->to.length && slice_compare(*id, buffer_slice(&scan->to)) >= 0)
        return false;
    if (!record_read(store_slice(value), record)) {
        log_error("store: the record of a document is damaged");
        return false;
    }
    scan->started = true;
    scan->include_position = false;
    buffer_clear(&scan->position);
    buffer_append_slice(&scan->position, *id);
    return true;
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
