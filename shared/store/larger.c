#include "shared/store/larger.h"

#include "shared/store/environment.h"
#include "shared/store/record.h"

/* An entry that is passed; a record whose beginning is read, of a page that is in no cache. */
enum { ENTRY_UNITS = 8, RECORD_UNITS = 40 };

void store_larger_start(struct store_larger *larger, unsigned collection, uint64_t bytes)
{
    *larger = (struct store_larger){.collection = collection, .bytes = bytes};
}

/* A value that takes more than about half a page has pages of its own, which LMDB counts. */
static bool may_have_some(struct store *store, const struct store_larger *larger)
{
    MDB_stat stat;
    if (mdb_stat(store->snapshot, store->collections[larger->collection].dbi, &stat))
        return true;
    return larger->bytes < stat.ms_psize || stat.ms_overflow_pages >= larger->bytes / stat.ms_psize;
}

static int seek(MDB_cursor *cursor, const struct store_larger *larger, MDB_val *key, MDB_val *value)
{
    if (larger->position.length == 0)
        return mdb_cursor_get(cursor, key, value, MDB_FIRST);
    *key = store_val(buffer_slice(&larger->position));
    int rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
    if (!rc && slice_equal(store_slice(*key), buffer_slice(&larger->position)))
        rc = mdb_cursor_get(cursor, key, value, MDB_NEXT);
    return rc;
}

/* What is damaged is none of those that are counted. */
static bool is_larger(const struct store_larger *larger, MDB_val value)
{
    struct store_record record;
    return record_read(store_slice(value), &record) && record.full.length > larger->bytes;
}

/* Entries as far as @most units go; @key is then the last one. An error of LMDB, 0: there are more. */
static int pass_entries(MDB_cursor *cursor, struct store_larger *larger, MDB_val *key, uint64_t most,
                        uint64_t *units)
{
    MDB_val value;
    int rc = seek(cursor, larger, key, &value);
    while (!rc) {
        *units += ENTRY_UNITS;
        if (value.mv_size > larger->bytes) {
            *units += RECORD_UNITS;
            larger->count += is_larger(larger, value);
        }
        if (*units >= most)
            return 0;
        rc = mdb_cursor_get(cursor, key, &value, MDB_NEXT);
    }
    return rc;
}

enum store_step store_larger_some(struct store *store, struct store_larger *larger, uint64_t *units)
{
    const struct store_collection *collection = &store->collections[larger->collection];
    const uint64_t most = *units;
    MDB_cursor *cursor;
    MDB_val key;
    *units = RECORD_UNITS;
    if (!may_have_some(store, larger))
        return STORE_END;
    int rc = mdb_cursor_open(store->snapshot, collection->dbi, &cursor);
    if (!rc) {
        rc = pass_entries(cursor, larger, &key, most, units);
        mdb_cursor_close(cursor);
    }
    if (rc == MDB_NOTFOUND)
        return STORE_END;
    if (rc) {
        store_unreadable(store, rc, "%s", collection->config->name);
        return STORE_FAILED;
    }
    buffer_clear(&larger->position);
    buffer_append_slice(&larger->position, store_slice(key));
    return STORE_STEP;
}

void store_larger_free(struct store_larger *larger)
{
    buffer_free(&larger->position);
}
