#include "shared/store/change_log.h"

#include <limits.h>

#include "shared/store/bytes.h"
#include "shared/store/environment.h"

static bool entry_read(const struct store *store, struct slice bytes, struct store_log_entry *out)
{
    struct slice header;
    if (!bytes_take(&bytes, LOG_ENTRY_HEADER, &header))
        return false;
    uint16_t number = bytes_get_16(header.data + 1);
    out->removed = header.data[0] != 0;
    out->collection = number < store->number_count ? store->by_number[number] : UINT_MAX;
    out->version = bytes_get_64(header.data + 3);
    out->tag_seq_before = bytes_get_64(header.data + 11);
    bool whole = bytes_take(&bytes, bytes_get_16(header.data + LOG_ENTRY_LENGTHS), &out->id) &&
                 bytes_take(&bytes, bytes_get_16(header.data + LOG_ENTRY_LENGTHS + 2), &out->tag_before) &&
                 bytes_take(&bytes, bytes_get_16(header.data + LOG_ENTRY_LENGTHS + 4), &out->tag_after);
    if (bytes.length)
        out->before = bytes;
    return whole;
}

static enum store_step fail_at_change(struct store *store, uint64_t seq, int rc)
{
    store_unreadable(store, rc, "change %llu in the change log", (unsigned long long)seq);
    return STORE_FAILED;
}

enum store_step store_log_next(struct store *store, uint64_t seq, struct store_log_entry *out)
{
    if (seq == UINT64_MAX)
        return STORE_END;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(store->snapshot, store->log, &cursor);
    if (rc)
        return fail_at_change(store, seq + 1, rc);
    char bytes[LOG_SEQ_BYTES];
    bytes_put_64_big(bytes, seq + 1);
    MDB_val key = {sizeof bytes, bytes}, value;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    mdb_cursor_close(cursor);
    if (rc == MDB_NOTFOUND)
        return STORE_END;
    if (rc || key.mv_size != LOG_SEQ_BYTES)
        return fail_at_change(store, seq + 1, rc);
    *out = (struct store_log_entry){.seq = bytes_get_64_big(key.mv_data)};
    return entry_read(store, store_slice(value), out) ? STORE_STEP : fail_at_change(store, out->seq, 0);
}
