#include "daemon/committer/store/format_write.h"

#include "daemon/committer/store/history_write.h"
#include "daemon/committer/store/state_write.h"
#include "shared/store/bytes.h"
#include "shared/store/format.h"

enum { FORMAT_1_STATE_BYTES = 24 };

/** Empties a database, if it is there, or removes it. */
static int drop_database(MDB_txn *txn, const char *name, bool remove)
{
    MDB_dbi dbi;
    int rc = mdb_dbi_open(txn, name, 0, &dbi);
    if (!rc)
        rc = mdb_drop(txn, dbi, remove);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/** From format 1, whose change log says less and whose state is shorter: the log starts anew. */
static int upgrade_1(struct store *store, MDB_txn *txn)
{
    MDB_val key = store_val(SLICE("state")), value;
    int rc = mdb_get(txn, store->meta, &key, &value);
    if (!rc && value.mv_size != FORMAT_1_STATE_BYTES)
        rc = MDB_CORRUPTED;
    if (rc)
        return rc;
    const char *at = value.mv_data;
    uint64_t seq = bytes_get_64(at + 8);
    struct store_state state = {.epoch = bytes_get_64(at), .seq = seq, .horizon = seq, .rights_seq = seq};
    rc = drop_database(txn, "log", false);
    return rc ? rc : state_write(store, txn, &state);
}

static int format_write(struct store *store, MDB_txn *txn)
{
    char bytes[4];
    bytes_put_32(bytes, STORE_FORMAT);
    MDB_val key = store_val(SLICE("format")), value = {sizeof bytes, bytes};
    return mdb_put(txn, store->meta, &key, &value, 0);
}

/** Before format 3 a document that was removed and inserted again began at version 0 again, so a version
 * could stand for two contents: the history ends here (no run is known of it), and clients are sent
 * everything. */
static int upgrade_format(struct store *store, MDB_txn *txn, uint32_t format)
{
    int rc = format == 1 ? upgrade_1(store, txn) : 0;
    if (!rc)
        rc = drop_database(txn, "removed", true);
    if (!rc)
        rc = history_end(store, txn);
    return rc ? rc : format_write(store, txn);
}

bool format_prepare(struct store *store, MDB_txn *txn, char message[STORE_MESSAGE])
{
    uint32_t format;
    int rc = format_read(store, txn, &format);
    if (rc == MDB_NOTFOUND) {
        rc = format_write(store, txn);
        if (!rc)
            rc = state_write(store, txn, &(struct store_state){0});
        return rc ? store_refuse(store, "the store cannot be made", rc, message) : true;
    }
    if (rc)
        return store_refuse(store, "the store's format cannot be read", rc, message);
    if (format < 1 || format >= STORE_FORMAT)
        return format_is_known(store, format, message);
    rc = upgrade_format(store, txn, format);
    return rc ? store_refuse(store, "the store cannot be brought to this version's format", rc, message)
              : true;
}
