#include "shared/store/holdings.h"

#include <stdio.h>
#include <string.h>

#include "shared/store/environment.h"
#include "shared/store/names.h"

/* A database that was not open is open in this transaction only: its end closes it. */
static int measure_next(MDB_txn *txn, const char *prefix, const char *after, char name[STORE_NAME_MOST],
                        struct store_holding *holding)
{
    MDB_dbi dbi;
    MDB_stat status;
    int rc = store_name_next(txn, prefix, after, name);
    if (!rc)
        rc = mdb_dbi_open(txn, name, 0, &dbi);
    if (!rc)
        rc = mdb_stat(txn, dbi, &status);
    if (rc)
        return rc;
    holding->entries = status.ms_entries;
    holding->bytes = (uint64_t)(status.ms_branch_pages + status.ms_leaf_pages + status.ms_overflow_pages) *
                     status.ms_psize;
    return 0;
}

/* What of the name follows @prefix goes into @part, of @most bytes. */
static enum store_step next(struct store *store, const char *prefix, char *part, size_t most,
                            struct store_holding *holding)
{
    char after[STORE_NAME_MOST] = "", name[STORE_NAME_MOST];
    MDB_txn *txn;
    if (*part)
        snprintf(after, sizeof after, "%s%s", prefix, part);
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    if (rc) {
        store_error("the sizes of collections cannot be read", rc);
        return STORE_FAILED;
    }
    rc = measure_next(txn, prefix, after, name, holding);
    mdb_txn_abort(txn);
    if (rc == MDB_NOTFOUND)
        return STORE_END;
    if (!rc && strlen(name + strlen(prefix)) >= most)
        rc = MDB_BAD_VALSIZE;
    if (rc) {
        store_error("the sizes of collections cannot be read", rc);
        return STORE_FAILED;
    }
    snprintf(part, most, "%s", name + strlen(prefix));
    return STORE_STEP;
}

enum store_step store_holding_next(struct store *store, struct store_holding *holding)
{
    holding->field[0] = '\0';
    return next(store, "c/", holding->name, sizeof holding->name, holding);
}

enum store_step store_holding_next_index(struct store *store, struct store_holding *holding)
{
    char prefix[STORE_NAME_MOST];
    snprintf(prefix, sizeof prefix, "x/%s/", holding->name);
    return next(store, prefix, holding->field, sizeof holding->field, holding);
}
