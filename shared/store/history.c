#include "shared/store/history.h"

#include "shared/store/bytes.h"
#include "shared/store/environment.h"
#include "shared/store/read.h"

int history_runs(struct store *store, MDB_txn *txn, struct slice *runs)
{
    MDB_val key = store_val(SLICE("runs")), value;
    *runs = (struct slice){0};
    int rc = mdb_get(txn, store->meta, &key, &value);
    if (rc)
        return rc == MDB_NOTFOUND ? 0 : rc;
    if (value.mv_size % RUN_BYTES)
        return MDB_CORRUPTED;
    *runs = store_slice(value);
    return 0;
}

static uint64_t run_epoch(struct slice runs, size_t number)
{
    return bytes_get_64(runs.data + number * RUN_BYTES);
}

static uint64_t run_first(struct slice runs, size_t number)
{
    return bytes_get_64(runs.data + number * RUN_BYTES + 8);
}

enum error_code store_history_holds(struct store *store, uint64_t epoch, uint64_t seq, bool *holds)
{
    struct slice runs;
    *holds = false;
    int rc = history_runs(store, store->snapshot, &runs);
    if (rc)
        return store_error("the runs cannot be read", rc);
    size_t count = runs.length / RUN_BYTES;
    for (size_t i = count; i-- > 0;)
        if (run_epoch(runs, i) == epoch) {
            uint64_t end = i + 1 < count ? run_first(runs, i + 1) : store_seq(store);
            *holds = seq <= end;
            break;
        }
    return ERROR_NONE;
}
