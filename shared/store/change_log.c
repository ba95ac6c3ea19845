#include "shared/store/change_log.h"

#include <limits.h>

#include "shared/store/bytes.h"
#include "shared/store/former_owner.h"

/* An entry: u8 removed, u16 number of the collection, u64 version, u64 seq before, u16 each length of id, tag
 * before, tag after; these three; what is left is the document before. */
enum { ENTRY_HEADER = 1 + 2 + 8 + 8 + 3 * 2, ENTRY_LENGTHS = 1 + 2 + 8 + 8, SEQ_BYTES = 8 };

int change_log_append(struct store *store, MDB_cursor *cursor, const struct store_log_entry *entry,
                      struct buffer *scratch)
{
    buffer_clear(scratch);
    char *header = buffer_reserve(scratch, ENTRY_HEADER);
    header[0] = entry->removed;
    bytes_put_16(header + 1, store->collections[entry->collection].number);
    bytes_put_64(header + 3, entry->version);
    bytes_put_64(header + 11, entry->tag_seq_before);
    bytes_put_16(header + ENTRY_LENGTHS, (uint16_t)entry->id.length);
    bytes_put_16(header + ENTRY_LENGTHS + 2, (uint16_t)entry->tag_before.length);
    bytes_put_16(header + ENTRY_LENGTHS + 4, (uint16_t)entry->tag_after.length);
    scratch->length += ENTRY_HEADER;
    buffer_append_slice(scratch, entry->id);
    buffer_append_slice(scratch, entry->tag_before);
    buffer_append_slice(scratch, entry->tag_after);
    buffer_append_slice(scratch, entry->before);

    char seq[SEQ_BYTES];
    bytes_put_64_big(seq, entry->seq);
    MDB_val key = {sizeof seq, seq}, value = store_val(buffer_slice(scratch));
    /* Not MDB_APPEND, which searches the end each time. */
    return mdb_cursor_put(cursor, &key, &value, MDB_NOOVERWRITE);
}

/** What is known of a removal goes with its entry. Of a damaged one it stays, which does no harm. */
static int trim_removal(struct store *store, MDB_txn *txn, uint64_t seq, struct slice entry)
{
    struct slice header, id;
    if (!bytes_take(&entry, ENTRY_HEADER, &header) || !header.data[0] ||
        !bytes_take(&entry, bytes_get_16(header.data + ENTRY_LENGTHS), &id))
        return 0;
    return former_owner_trim(txn, store, bytes_get_16(header.data + 1), id, seq);
}

int change_log_trim(struct store *store, MDB_txn *txn, struct store_state *state, uint64_t most)
{
    uint64_t kept = state->seq - state->horizon;
    if (kept <= store->config->change_log_entries)
        return 0;
    uint64_t extra = kept - store->config->change_log_entries;
    if (extra > most)
        extra = most;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, store->log, &cursor);
    if (rc)
        return rc;
    uint64_t upto = state->horizon + extra;
    while (state->horizon < upto) {
        MDB_val key, value;
        rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
        if (rc == MDB_NOTFOUND || (!rc && bytes_get_64_big(key.mv_data) > upto)) {
            state->horizon = upto; /* a gap: nothing is numbered so */
            rc = 0;
            break;
        }
        if (rc)
            break;
        state->horizon = bytes_get_64_big(key.mv_data);
        rc = trim_removal(store, txn, state->horizon, store_slice(value));
        if (!rc)
            rc = mdb_cursor_del(cursor, 0);
        if (rc)
            break;
    }
    mdb_cursor_close(cursor);
    return rc;
}

int change_log_restart(struct store *store, MDB_txn *txn, struct store_state *state)
{
    state->horizon = ++state->seq; /* a number of nothing: whoever stopped before it missed something */
    int rc = mdb_drop(txn, store->former_owner, 0);
    return rc ? rc : mdb_drop(txn, store->log, 0);
}

static bool entry_read(const struct store *store, struct slice bytes, struct store_log_entry *out)
{
    struct slice header;
    if (!bytes_take(&bytes, ENTRY_HEADER, &header))
        return false;
    uint16_t number = bytes_get_16(header.data + 1);
    out->removed = header.data[0] != 0;
    out->collection = number < store->number_count ? store->by_number[number] : UINT_MAX;
    out->version = bytes_get_64(header.data + 3);
    out->tag_seq_before = bytes_get_64(header.data + 11);
    bool whole = bytes_take(&bytes, bytes_get_16(header.data + ENTRY_LENGTHS), &out->id) &&
                 bytes_take(&bytes, bytes_get_16(header.data + ENTRY_LENGTHS + 2), &out->tag_before) &&
                 bytes_take(&bytes, bytes_get_16(header.data + ENTRY_LENGTHS + 4), &out->tag_after);
    if (bytes.length)
        out->before = bytes;
    return whole;
}

static enum store_step fail(struct store *store, uint64_t seq, int rc)
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
        return fail(store, seq + 1, rc);
    char bytes[SEQ_BYTES];
    bytes_put_64_big(bytes, seq + 1);
    MDB_val key = {sizeof bytes, bytes}, value;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    mdb_cursor_close(cursor);
    if (rc == MDB_NOTFOUND)
        return STORE_END;
    if (rc || key.mv_size != SEQ_BYTES)
        return fail(store, seq + 1, rc);
    *out = (struct store_log_entry){.seq = bytes_get_64_big(key.mv_data)};
    return entry_read(store, store_slice(value), out) ? STORE_STEP : fail(store, out->seq, 0);
}
