#include "shared/store/names.h"

#include <string.h>

static int find_name(MDB_cursor *cursor, const char *prefix, const char *after, char name[STORE_NAME_MOST])
{
    const char *from = *after ? after : prefix;
    MDB_val key = {strlen(from), (void *)(uintptr_t)from}, value;
    size_t length = strlen(prefix);
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (!rc && *after && key.mv_size == strlen(after) && memcmp(key.mv_data, after, key.mv_size) == 0)
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    if (rc)
        return rc;
    if (key.mv_size < length || memcmp(key.mv_data, prefix, length) != 0)
        return MDB_NOTFOUND;
    if (key.mv_size >= STORE_NAME_MOST)
        return MDB_BAD_VALSIZE;
    memcpy(name, key.mv_data, key.mv_size);
    name[key.mv_size] = '\0';
    return 0;
}

int store_name_next(MDB_txn *txn, const char *prefix, const char *after, char name[STORE_NAME_MOST])
{
    MDB_dbi names;
    MDB_cursor *cursor;
    int rc = mdb_dbi_open(txn, NULL, 0, &names);
    if (!rc)
        rc = mdb_cursor_open(txn, names, &cursor);
    if (rc)
        return rc;
    rc = find_name(cursor, prefix, after, name);
    mdb_cursor_close(cursor);
    return rc;
}
