#include "daemon/committer/store/change_log_write.h"

#include "daemon/committer/store/former_owner.h"
#include "shared/store/bytes.h"
#include "shared/store/change_log.h"

int change_log_append(struct store *store, MDB_cursor *cursor, const struct store_log_entry *entry,
                      struct buffer *scratch)
{
    buffer_clear(scratch);
    char *header = buffer_reserve(scratch, LOG_ENTRY_HEADER);
    header[0] = entry->removed;
    bytes_put_16(header + 1, store->collections[entry->collection].number);
    bytes_put_64(header + 3, entry->version);
    bytes_put_64(header + 11, entry->tag_seq_before);
    bytes_put_16(header + LOG_ENTRY_LENGTHS, (uint16_t)entry->id.length);
    bytes_put_16(header + LOG_ENTRY_LENGTHS + 2, (uint16_t)entry->tag_before.length);
    bytes_put_16(header + LOG_ENTRY_LENGTHS + 4, (uint16_t)entry->tag_after.length);
    scratch->length += LOG_ENTRY_HEADER;
    buffer_append_slice(scratch, entry->id);
    buffer_append_slice(scratch, entry->tag_before);
    buffer_append_slice(scratch, entry->tag_after);
    buffer_append_slice(scratch, entry->before);

    char seq[LOG_SEQ_BYTES];
    bytes_put_64_big(seq, entry->seq);
    MDB_val key = {sizeof seq, seq}, value = store_val(buffer_slice(scratch));
    /* Not MDB_APPEND, which searches the end each time. */
    return mdb_cursor_put(cursor, &key, &value, MDB_NOOVERWRITE);
}

/** What is known of a removal goes with its entry. Of a damaged one it stays, which does no harm. */
static int trim_removal(struct store *store, MDB_txn *txn, uint64_t seq, struct slice entry)
{
    struct slice header, id;
    if (!bytes_take(&entry, LOG_ENTRY_HEADER, &header) || !header.data[0] ||
        !bytes_take(&entry, bytes_get_16(header.data + LOG_ENTRY_LENGTHS), &id))
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
