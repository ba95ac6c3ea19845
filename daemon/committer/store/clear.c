#include "daemon/committer/store/clear.h"

#include <stdio.h>

#include "daemon/committer/store/writer.h"
#include "shared/store/bytes.h"
#include "shared/store/databases.h"
#include "shared/store/names.h"
#include "shared/store/set_work.h"

/* Of one set: documents, their bytes; entries of an index. */
enum { PIECE_DOCUMENTS = 2000, PIECE_BYTES = 8 * 1024 * 1024, PIECE_KEYS = 8192 };

/* What no configuration makes: nobody may see the collection. */
static const char cleared[] = "{\"read\":false}";

struct clear {
    struct writer *writer;
    char name[COLLECTION_NAME_BYTES + 1];
    char database[STORE_NAME_MOST]; /* the one that is emptied; empty: there is none left */
    bool documents;                 /* it is that of the documents */
    uint64_t removed;               /* of these */
    uint64_t floor;
    bool empty;
};

static MDB_val clear_key(const struct clear *clear, const char *kind, char key[META_KEY_MOST])
{
    int length = snprintf(key, META_KEY_MOST, "%s/%s", kind, clear->name);
    return (MDB_val){length > 0 ? (size_t)length : 0, key};
}

static enum error_code clear_refuse(struct apply_result *result, enum error_code code, const char *format,
                                    const char *name)
{
    result->code = code;
    snprintf(result->message, sizeof result->message, format, name);
    return code;
}

static enum error_code clear_failed(struct clear *clear, struct apply_result *result, int rc)
{
    clear->writer->spoilt = true;
    return clear_refuse(result, writer_error(clear->writer, "a collection cannot be removed", rc),
                        "The documents of %s cannot be removed", clear->name);
}

/* ---- what is known of the collection ---- */

/* Notes that what is left is no whole of anything any more. An error of LMDB; MDB_NOTFOUND: nothing was ever
 * stored under that name. */
static int put_cleared(const struct clear *clear)
{
    const struct store *store = clear->writer->store;
    MDB_txn *txn = clear->writer->txn;
    char name[META_KEY_MOST], bytes[2 + sizeof cleared - 1];
    MDB_val key = clear_key(clear, "collection", name), value;
    int rc = mdb_get(txn, store->meta, &key, &value);
    if (!rc && value.mv_size < 2)
        rc = MDB_CORRUPTED;
    if (rc)
        return rc;
    memcpy(bytes, value.mv_data, 2); /* its number */
    memcpy(bytes + 2, cleared, sizeof cleared - 1);
    if (value.mv_size == sizeof bytes && memcmp(value.mv_data, bytes, sizeof bytes) == 0)
        return 0;
    value = (MDB_val){sizeof bytes, bytes};
    rc = mdb_put(txn, store->meta, &key, &value, 0);
    if (rc)
        return rc;
    key = clear_key(clear, "rebuild", name);
    rc = mdb_del(txn, store->meta, &key, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int read_floor(struct clear *clear)
{
    char name[META_KEY_MOST];
    MDB_val key = clear_key(clear, "versions", name), value;
    int rc = mdb_get(clear->writer->txn, clear->writer->store->meta, &key, &value);
    if (!rc && value.mv_size != 8)
        return MDB_CORRUPTED;
    clear->floor = rc ? 0 : bytes_get_64(value.mv_data);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int put_floor(const struct clear *clear)
{
    char name[META_KEY_MOST], bytes[8];
    bytes_put_64(bytes, clear->floor);
    MDB_val key = clear_key(clear, "versions", name), value = {sizeof bytes, bytes};
    return mdb_put(clear->writer->txn, clear->writer->store->meta, &key, &value, 0);
}

/* ---- its databases ---- */

/* The next to be emptied: the indexes, then the documents, so that no index ever names what is not there. */
static int find_database(struct clear *clear)
{
    MDB_txn *txn = clear->writer->txn;
    char prefix[STORE_NAME_MOST];
    snprintf(prefix, sizeof prefix, "x/%s/", clear->name);
    int rc = store_name_next(txn, prefix, "", clear->database);
    if (rc != MDB_NOTFOUND)
        return rc;
    clear->documents = true;
    snprintf(prefix, sizeof prefix, "c/%s", clear->name);
    rc = store_name_next(txn, prefix, "", clear->database);
    if (!rc && strcmp(clear->database, prefix) == 0)
        return 0;
    clear->database[0] = '\0';
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* A damaged record has no version to be known: it goes like the others. */
static void count_document(struct clear *clear, MDB_val value)
{
    struct store_record record;
    clear->removed++;
    if (record_read(store_slice(value), &record) && record.version >= clear->floor)
        clear->floor = record.version + 1;
}

static int empty_piece(struct clear *clear, MDB_dbi dbi)
{
    MDB_cursor *cursor;
    size_t bytes = 0;
    int rc = mdb_cursor_open(clear->writer->txn, dbi, &cursor);
    if (rc)
        return rc;
    for (unsigned i = 0; i < (clear->documents ? PIECE_DOCUMENTS : PIECE_KEYS) && bytes < PIECE_BYTES; i++) {
        MDB_val key, value;
        rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
        if (rc)
            break;
        bytes += key.mv_size + value.mv_size;
        if (clear->documents)
            count_document(clear, value);
        rc = mdb_cursor_del(cursor, 0);
        if (rc)
            break;
        clear->writer->work += clear->documents ? SET_WORK_CHANGE : SET_WORK_KEY;
    }
    mdb_cursor_close(cursor);
    clear->writer->work += bytes;
    clear->empty = rc == MDB_NOTFOUND;
    return clear->empty ? 0 : rc;
}

static int clear_piece(struct clear *clear)
{
    struct writer *writer = clear->writer;
    MDB_dbi dbi;
    int rc = mdb_dbi_open(writer->txn, clear->database, 0, &dbi);
    if (rc)
        return rc;
    writer->cleared = dbi;
    rc = empty_piece(clear, dbi);
    if (!rc && clear->empty)
        rc = mdb_drop(writer->txn, dbi, 1); /* which closes it */
    if (!rc && clear->empty)
        writer->cleared = 0;
    if (!rc && clear->documents)
        rc = put_floor(clear);
    return rc;
}

/* ---- the change ---- */

static struct slice make_answer(const struct clear *clear)
{
    struct writer *writer = clear->writer;
    bool more = clear->database[0] && !(clear->documents && clear->empty);
    buffer_clear(&writer->scratch);
    buffer_append_text(&writer->scratch, "{\"removed\":");
    buffer_append_unsigned(&writer->scratch, clear->removed);
    buffer_append_text(&writer->scratch, more ? ",\"more\":true}" : ",\"more\":false}");
    return arena_copy(&writer->arena, buffer_slice(&writer->scratch));
}

static bool take_name(struct clear *clear, struct slice name)
{
    if (name.length == 0 || name.length > COLLECTION_NAME_BYTES || memchr(name.data, '/', name.length) ||
        memchr(name.data, '\0', name.length))
        return false;
    memcpy(clear->name, name.data, name.length);
    return true;
}

enum error_code clear_apply(struct writer *writer, const struct change *change, struct apply_result *result)
{
    struct clear clear = {.writer = writer};
    if (!take_name(&clear, change->collection))
        return clear_refuse(result, ERROR_INVALID, "%s", "That is no name of a collection");
    if (config_collection(writer->store->config, change->collection))
        return clear_refuse(result, ERROR_CONFLICT,
                            "The collection %s is configured; only what is configured no more is removed so",
                            clear.name);
    if (writer->clears) { /* its database is still open, and its piece is enough for a transaction */
        result->again = true;
        return clear_refuse(result, ERROR_STORE_FULL, "%s", "Not in this transaction");
    }
    int rc = put_cleared(&clear);
    if (rc == MDB_NOTFOUND)
        return clear_refuse(result, ERROR_NOT_FOUND, "Nothing is stored of a collection %s", clear.name);
    writer->clears = true;
    if (!rc)
        rc = read_floor(&clear);
    if (!rc)
        rc = find_database(&clear);
    if (!rc && clear.database[0])
        rc = clear_piece(&clear);
    if (rc)
        return clear_failed(&clear, result, rc);
    result->answer = make_answer(&clear);
    return ERROR_NONE;
}

void clear_end(struct writer *writer)
{
    if (writer->cleared)
        mdb_dbi_close(writer->store->env, writer->cleared);
    writer->cleared = 0;
}
