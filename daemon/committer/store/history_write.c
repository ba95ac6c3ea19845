#include "daemon/committer/store/history_write.h"

#include <stdio.h>

#include "daemon/committer/store/state_write.h"
#include "shared/base/buffer.h"
#include "shared/store/bytes.h"
#include "shared/store/history.h"

int history_end(struct store *store, MDB_txn *txn)
{
    MDB_val key = store_val(SLICE("runs"));
    int rc = mdb_del(txn, store->meta, &key, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/** Puts a run after those there are; the oldest is forgotten when there are too many. */
static int run_add(struct store *store, MDB_txn *txn, struct store_state *state, uint64_t epoch)
{
    struct slice runs;
    struct buffer list = {0};
    char run[RUN_BYTES];
    int rc = history_runs(store, txn, &runs);
    if (rc)
        return rc;
    if (runs.length >= (size_t)RUNS_MOST * RUN_BYTES)
        runs = slice_of(runs.data + runs.length - (size_t)(RUNS_MOST - 1) * RUN_BYTES,
                        (size_t)(RUNS_MOST - 1) * RUN_BYTES);
    buffer_append_slice(&list, runs);
    bytes_put_64(run, epoch);
    bytes_put_64(run + 8, state->seq);
    buffer_append(&list, run, sizeof run);
    MDB_val key = store_val(SLICE("runs")), value = store_val(buffer_slice(&list));
    rc = mdb_put(txn, store->meta, &key, &value, 0);
    buffer_free(&list);
    state->epoch = epoch;
    return rc ? rc : state_write(store, txn, state);
}

bool history_enter(struct store *store, MDB_txn *txn, const struct store_run *run,
                   char message[STORE_MESSAGE])
{
    struct store_state state;
    if (!store_state_read(store, txn, &state)) {
        snprintf(message, STORE_MESSAGE, "%s/data.mdb: is damaged: it has no state", store->config->data);
        return false;
    }
    if (run->goes_on && (state.epoch != run->epoch || state.seq < run->seq)) {
        snprintf(message, STORE_MESSAGE,
                 "%s: is not the store that this server was started with: stop it, and start it again",
                 store->config->data);
        return false;
    }
    if (run->goes_on)
        return true;
    int rc = run->new_history ? history_end(store, txn) : 0;
    if (!rc)
        rc = run_add(store, txn, &state, run->epoch);
    if (rc)
        snprintf(message, STORE_MESSAGE, "%s: the run cannot be noted in the store: %s", store->config->data,
                 rc == MDB_MAP_FULL ? "the store is full; give a larger map_bytes" : mdb_strerror(rc));
    return !rc;
}
